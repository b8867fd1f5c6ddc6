"""Figures under the names that they may have, and none where the protocol has none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.execution import Execution
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.metrics.frechet import frechet_distance_of_features
from exvideo_eval.protocols import catalogue
from exvideo_eval.protocols.figures import Measured
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.protocols.samples import samples_of
from exvideo_eval.statistics import Resampling
from torch import Tensor, nn

RESAMPLING = Resampling(50, 0.95, 0)


class LikeI3D(nn.Module):
    """400 numbers in I3D's manner that see levels and places, scaled so that black and white are 151.26 apart."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        y = x.float() / 127.5 - 1 if rescale else x.float()
        pooled = torch.nn.functional.adaptive_avg_pool3d(y, (1, 10, 13)).flatten(1)[:, :390]
        mean = y.mean(dim=[1, 2, 3, 4])[:, None].expand(x.shape[0], 10)
        return 0.5 * 0.378225**0.5 * torch.cat([pooled, mean], dim=1)


@pytest.fixture(scope="module")
def i3d(script: Callable[[nn.Module], PinnedFile]) -> PinnedFile:
    return script(LikeI3D())


def measured(
    folder: Path, *names: str, networks: dict[str, PinnedFile], generated: str = "generated", **more: object
) -> Measured:
    meter = Meter(MeasureSettings(names, networks, **more))
    return meter.measure("generated", folder / "real", folder / generated, RESAMPLING)


def test_the_protocols_own_network_gives_the_metrics_own_name(clip_sets: Path, i3d: PinnedFile) -> None:
    found = measured(clip_sets, "fvd:common-metrics", networks={"i3d": i3d})
    (metric,) = found.metrics
    assert (metric.name, metric.n, metric.features) == (
        "FVD (common-metrics)",
        6,
        "I3D (Kinetics-400, TorchScript)",
    )
    assert found.record["fvd:common-metrics"]["network"]["sha256"] == i3d.sha256
    assert found.record["fvd:common-metrics"]["samples"] == {"real": 6, "generated": 6}
    assert "as published (151.26)" in found.notes[0]


def test_any_other_network_never_does(clip_sets: Path, small: PinnedFile) -> None:
    files = {"i3d": small, "i3d-400": small, "vjepa-h": small, "inception-v3": small, "c3d": small, "clip": small}
    names = ("fvd:common-metrics", "fvd:tf-original", "jedi", "fid", "fid-by-frame", "mind", "inception-score")
    surrogates = dict.fromkeys(files, "small")
    found = measured(clip_sets, *names, "temporal-clip", networks=files, surrogates=surrogates, allow_fewer=True)
    words = [metric.name for metric in found.metrics] + [curve.name for curve in found.curves]
    assert words[0] == "Fréchet distance, small features, common-metrics preprocessing"
    for word in words:
        assert "small" in word
        assert not any(name in word for name in ("FVD", "FID", "JEDi", "MIND", "KID", "Inception Score", "CLIP"))
    assert len({metric.name for metric in found.metrics}) == len(found.metrics)


def test_too_few_clips_are_an_error_that_says_how_many_there_are(clip_sets: Path, i3d: PinnedFile) -> None:
    with pytest.raises(ValueError, match=r"stylegan-v\) takes 2048 real clips, and .*/real has 6: of its 6 files"):
        measured(clip_sets, "fvd:stylegan-v", networks={"i3d": i3d})
    found = measured(clip_sets, "fvd:stylegan-v", networks={"i3d": i3d}, allow_fewer=True)
    assert found.metrics[0].name == "FVD (stylegan-v), of 6 clips"
    assert "is defined for 2048 real and 2048 generated clips" in found.notes[1]
    with pytest.raises(ValueError, match="100 subsets of 1000 cannot be drawn from 6 and 6 samples"):
        measured(clip_sets, "kvd:stylegan-v", networks={"i3d": i3d}, allow_fewer=True)


def test_a_clip_that_cannot_be_decoded_is_neither_replaced_nor_hushed_up(
    clip_sets: Path, i3d: PinnedFile, tmp_path: Path
) -> None:
    for side in ("real", "generated"):
        (tmp_path / side).mkdir()
        for path in (clip_sets / side).iterdir():
            (tmp_path / side / path.name).write_bytes(path.read_bytes())
    (tmp_path / "generated" / "2.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"of its 6 files 5 can be used, 1 cannot \(.*2.mp4 is corrupt or not a video"):
        measured(tmp_path, "fvd:cd-fvd", networks={"i3d-400": i3d}, surrogates={"i3d-400": "like"})
    found = measured(tmp_path, "fvd:common-metrics", networks={"i3d": i3d})
    assert found.metrics[0].n == 5
    assert [Path(item.file).name for item in found.skipped] == ["2.mp4"]
    assert found.record["fvd:common-metrics"]["samples"] == {"real": 6, "generated": 5}


def test_no_clip_counts_twice_and_the_first_by_name_are_taken_of_more(
    clip_sets: Path, i3d: PinnedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = catalogue.PROTOCOLS["fvd:fastvideo"]
    four = replace(protocol, samples=replace(protocol.samples, real=4, generated=4))
    monkeypatch.setitem(catalogue.PROTOCOLS, "fvd:fastvideo", four)
    meter = Meter(MeasureSettings(("fvd:fastvideo",), {"i3d": i3d}))
    value = meter.measure("generated", clip_sets / "real", clip_sets / "generated", RESAMPLING).metrics[0].value
    rows = [
        np.concatenate(meter._features(four, role, clip_sets / role).features)[:4] for role in ("real", "generated")
    ]
    assert len({row.tobytes() for row in rows[0]}) == 4
    assert value == pytest.approx(frechet_distance_of_features(*rows, ddof=1, ridge=1e-6))


def test_a_set_is_at_no_distance_from_itself(clip_sets: Path, i3d: PinnedFile, small: PinnedFile) -> None:
    names = ("fvd:common-metrics", "fvd:tf-original", "fvd:fastvideo", "mind", "fid", "fid-by-frame", "jedi")
    files = {"i3d": i3d, "inception-v3": small, "vjepa-h": small}
    surrogates = {"inception-v3": "small", "vjepa-h": "small"}
    found = measured(clip_sets, *names, networks=files, surrogates=surrogates, allow_fewer=True, generated="real")
    for metric in found.metrics:
        assert 0 <= metric.value < 1e-4, metric.name


def test_fid_by_frame_index_is_a_curve_of_the_frames_of_each_index(clip_sets: Path, small: PinnedFile) -> None:
    meter = Meter(MeasureSettings(("fid-by-frame",), {"inception-v3": small}, {"inception-v3": "s"}, allow_fewer=True))
    found = meter.measure("generated", clip_sets / "real", clip_sets / "generated", RESAMPLING)
    (curve,) = found.curves
    assert len(curve.x) == 20
    protocol = meter.protocols["fid-by-frame"]
    real, generated = (
        np.stack(meter._features(protocol, role, clip_sets / role).features)[:, 7] for role in ("real", "generated")
    )
    assert curve.y[7] == pytest.approx(frechet_distance_of_features(real, generated))
    assert found.metrics[0].value == pytest.approx(np.mean(curve.y))
    assert found.metrics[0].n == 6


def test_clips_of_unequal_length_are_refused_where_the_protocol_stacks_them(
    clip_sets: Path, i3d: PinnedFile, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    (tmp_path / "real").mkdir()
    for length in (12, 16):
        write_video(tmp_path / "real" / f"{length}.mp4", np.full((length, 32, 32, 3), 90, np.uint8))
    with pytest.raises(ValueError, match=r"takes clips of one length whole, and those in .* have 12 to 16 frames"):
        measured(tmp_path, "fvd:common-metrics", networks={"i3d": i3d}, generated="real")


class Classes(nn.Module):
    """Probabilities of classes, told by the mean level; in the manner of Inception-v3 and of C3D."""

    def forward(self, x: Tensor, no_output_bias: bool = False) -> Tensor:
        level = x.float().flatten(1).mean(dim=1, keepdim=True)
        classes = 1008 if x.ndim == 4 else 101
        return torch.cat([level, 255 - level, torch.zeros(x.shape[0], classes - 2)], dim=1) / 255


def test_scores_of_frames_and_of_videos_are_two_names(clip_sets: Path, script: Callable[..., PinnedFile]) -> None:
    file = script(Classes())
    (metric,) = measured(clip_sets, "inception-score", networks={"inception-v3": file}, allow_fewer=True).metrics
    assert metric.name == "Inception Score, of 120 frames"
    assert 1 <= metric.value < 2
    with pytest.raises(ValueError, match="6 samples cannot be split 10 times"):
        measured(clip_sets, "video-inception-score", networks={"c3d": file}, allow_fewer=True)
    with pytest.raises(ValueError, match="Video Inception Score takes 2048 generated clips"):
        measured(clip_sets, "video-inception-score", networks={"c3d": file})


def test_features_that_stay_in_the_cache_give_the_same_figures(
    clip_sets: Path, small: PinnedFile, tmp_path: Path
) -> None:
    """By files and in parts, as many frames do not fit into memory."""
    names, files = ("fid", "fid-by-frame", "mind", "temporal-clip"), ("inception-v3", "clip")
    settings = MeasureSettings(names, dict.fromkeys(files, small), dict.fromkeys(files, "small"), allow_fewer=True)
    values = []
    for cache in (None, tmp_path, tmp_path):
        meter = Meter(settings, Execution(cache=cache))
        found = meter.measure("generated", clip_sets / "real", clip_sets / "generated", RESAMPLING)
        values.append([metric.value for metric in found.metrics])
    assert values[1] == values[2] == pytest.approx(values[0], rel=1e-12)
    protocol = meter.protocols["fid"]
    rows = [
        np.concatenate(meter._features(protocol, role, clip_sets / role).features) for role in ("real", "generated")
    ]
    assert values[0][0] == pytest.approx(frechet_distance_of_features(*rows))


def test_frames_are_drawn_from_all_clips_and_none_twice(
    clip_sets: Path, small: PinnedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = catalogue.PROTOCOLS["mind"]
    fifty = replace(protocol, samples=replace(protocol.samples, real=50, generated=50))
    monkeypatch.setitem(catalogue.PROTOCOLS, "mind", fifty)
    meter = Meter(MeasureSettings(("mind",), {"inception-v3": small}, {"inception-v3": "small"}))
    found = meter._features(fifty, "generated", clip_sets / "real")
    drawn = samples_of(fifty, found, seed=0, allow_fewer=False)
    every = {row.tobytes(): index for index, rows in enumerate(found.features) for row in rows}
    assert len({row.tobytes() for row in drawn}) == len(drawn) == 50
    assert {every[row.tobytes()] for row in drawn} == set(range(6))
    assert not np.array_equal(drawn, samples_of(fifty, found, seed=1, allow_fewer=False))
