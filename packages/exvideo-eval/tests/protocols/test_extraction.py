"""Features of a folder: the same whatever the batch, the processes and the cache; no file lost without a word."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.execution import Execution
from exvideo_eval.features.published.i3d import InceptionI3d
from exvideo_eval.features.published.loading import LoadedNetwork, load_network
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.protocols.extraction import Extractor

RULE = PROTOCOLS["fvd:stylegan-v"].features


def network(small: PinnedFile) -> LoadedNetwork:
    return load_network("i3d", {"i3d": small}, {"i3d": "small"})


@pytest.mark.parametrize("name", ["fvd:stylegan-v", "fvd:fastvideo", "fid"])
def test_any_batch_size_gives_the_same_features(clip_sets: Path, small: PinnedFile, name: str) -> None:
    rule = PROTOCOLS[name].features
    of = {
        size: Extractor(rule, network(small), execution=Execution(batch_size=size, workers=2))(
            "real", clip_sets / "real"
        )
        for size in (1, 4, 64)
    }
    assert len({found.sha256 for found in of.values()}) == 1
    for size in (4, 64):
        np.testing.assert_allclose(np.concatenate(of[size].features), np.concatenate(of[1].features), atol=1e-9, rtol=0)


@pytest.mark.long
def test_any_batch_size_gives_the_same_features_of_i3d(clip_sets: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        i3d = InceptionI3d().eval()
    loaded = LoadedNetwork("I3D, drawn", False, "", "0", (), lambda batch, /, **_: i3d(batch))
    rule = PROTOCOLS["fvd:videogpt"].features
    of = [
        Extractor(rule, loaded, execution=Execution(batch_size=size))("real", clip_sets / "real").features
        for size in (1, 4)
    ]
    np.testing.assert_allclose(np.concatenate(of[1]), np.concatenate(of[0]), atol=1e-9, rtol=0)


def test_a_file_has_the_same_features_whatever_lies_beside_it(
    clip_sets: Path, small: PinnedFile, tmp_path: Path
) -> None:
    (tmp_path / "3.mp4").write_bytes((clip_sets / "real" / "3.mp4").read_bytes())
    alone = Extractor(RULE, network(small))("real", tmp_path).features[0]
    np.testing.assert_array_equal(Extractor(RULE, network(small))("real", clip_sets / "real").features[3], alone)


def test_the_cache_is_asked_first_and_its_entries_fit_one_rule_and_network_alone(
    clip_sets: Path, small: PinnedFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def counting(loaded: LoadedNetwork) -> LoadedNetwork:
        return replace(
            loaded, forward=lambda batch, /, **call: asked.append(len(batch)) or loaded.forward(batch, **call)
        )

    def extract(rule: object = RULE, seed: int = 0, sha256: str = small.sha256) -> np.ndarray:
        asked.clear()
        loaded = counting(replace(network(small), sha256=sha256))
        return np.concatenate(
            Extractor(rule, loaded, seed, Execution(cache=tmp_path))("real", clip_sets / "real").features
        )

    first = extract()
    assert sum(asked) == 6
    np.testing.assert_array_equal(extract(), first)
    assert asked == []
    assert not np.array_equal(extract(seed=1), first)  # another draw of frames
    assert sum(asked) == 6
    extract(sha256="another")
    assert sum(asked) == 6
    extract(replace(RULE, call=()))
    assert sum(asked) == 6
    for entry in tmp_path.rglob("*.safetensors"):
        entry.write_bytes(b"damaged")
    np.testing.assert_array_equal(extract(), first)
    assert sum(asked) == 6
    assert "its file is measured again" in caplog.text


def test_files_that_cannot_be_used_are_named_with_their_reason(
    clip_sets: Path, small: PinnedFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (clip_sets / "real").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "0.mp4").write_bytes(b"no video")
    (tmp_path / "5.mp4").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.mp4")))
    long = PROTOCOLS["fvd:stylegan-v-128f"].features
    found = Extractor(RULE, network(small))("real", tmp_path)
    assert [Path(item.file).name for item in found.skipped] == ["0.mp4", r"\xe9.mp4"]
    assert found.files == tuple(f"{index}.mp4" for index in range(1, 5))
    assert "0.mp4: is corrupt or not a video" in caplog.text
    none = Extractor(long, network(small))("real", tmp_path)
    assert none.files == ()
    assert {item.reason for item in none.skipped[1:-1]} == {"has 20 frames, fewer than the 128 that the protocol takes"}


def test_a_file_whose_features_are_no_numbers_is_named_and_not_kept(
    clip_sets: Path, small: PinnedFile, tmp_path: Path
) -> None:
    loaded, good = network(small), PROTOCOLS["fvd:fastvideo"].features
    first = Extractor(good, loaded)("real", clip_sets / "real").features[0]

    def forward(batch: torch.Tensor, /, **call: object) -> torch.Tensor:
        answer = loaded.forward(batch, **call)
        return torch.where((answer == torch.from_numpy(first)).all(dim=1, keepdim=True), torch.inf, answer)

    extract = Extractor(good, replace(loaded, forward=forward), execution=Execution(cache=tmp_path, batch_size=4))
    for _ in range(2):
        found = extract("real", clip_sets / "real")
        assert found.files == tuple(f"{index}.mp4" for index in range(1, 6))
        assert [(Path(item.file).name, item.reason) for item in found.skipped] == [
            ("0.mp4", "has features that are not finite: look at it, or take another network")
        ]


_PROGRAM = """
import json, sys
from pathlib import Path
from exvideo_eval.features.published.loading import load_network
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.protocols.extraction import Extractor
from exvideo_eval.execution import Execution
from exvideo_eval.processes import Processes

folder, place, sha256, cache = sys.argv[1:]
network = load_network("i3d", {"i3d": PinnedFile(place, sha256)}, {"i3d": "small"})
processes = Processes.started()
execution = Execution(cache=Path(cache), processes=processes)
found = Extractor(PROTOCOLS["fvd:stylegan-v"].features, network, execution=execution)("real", Path(folder))
processes.leave()
print(json.dumps({"files": found.files, "features": [row.tolist() for row in found.features]}))
"""


def test_of_two_processes_each_computes_its_share_and_the_first_has_all(
    clip_sets: Path, small: PinnedFile, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [str(clip_sets / "real"), small.place, small.sha256, str(tmp_path)]
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, *arguments]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, env=os.environ | world | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=100)[0].splitlines()[-1]) for process in running]
    alone = Extractor(RULE, network(small))("real", clip_sets / "real")
    assert tuple(answers[0]["files"]) == alone.files
    np.testing.assert_allclose(np.array(answers[0]["features"]), np.stack(alone.features), atol=1e-9, rtol=0)
    assert tuple(answers[1]["files"]) == alone.files[1::2]
