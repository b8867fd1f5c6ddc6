"""Folders measured together: each file decoded once, kept, and found again; the same numbers whoever measures."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from av.video.frame import VideoFrame
from exvideo_eval import Settings, evaluate
from exvideo_eval.clip_measures.catalogue import CLIP_MEASURES
from exvideo_eval.execution import Execution
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.features.random3d import Random3DFeatures
from exvideo_eval.protocols.measuring import MeasureSettings
from exvideo_eval.results import Result
from exvideo_eval.video_reader import Decoding
from torch import Tensor, nn

SETTINGS = Settings(features="random3d", num_frames=12, size=(32, 32), window=4, resamples=20)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were decoded, each time that one was."""
    files: list[str] = []
    watched = Decoding._watched

    def noting(self: Decoding, *streams: Any) -> Iterator[VideoFrame]:
        files.append(f"{self.path.parent.name}/{self.path.name}")
        return watched(self, *streams)

    monkeypatch.setattr(Decoding, "_watched", noting)
    return files


def numbers(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


def run(folder: Path, settings: Settings = SETTINGS, **execution: object) -> Result:
    chosen = Execution(**execution)  # type: ignore[arg-type]
    return evaluate(*(folder / name for name in ("real", "generated", "frozen")), settings, execution=chosen).generated


def test_one_decode_a_file_serves_all_measures(clip_folders: Path, decoded: list[str]) -> None:
    run(clip_folders)
    assert sorted(decoded) == sorted(f"{f}/{n}.mp4" for f in ("real", "generated", "frozen") for n in range(4))


class Levels(nn.Module):
    """Two numbers a clip, in I3D's manner."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return torch.stack([x.double().flatten(1).mean(dim=1), x.double().flatten(1).std(dim=1)], dim=1)


class Blend:
    """An interpolator that sees no motion."""

    def middle(self, before: Tensor, after: Tensor) -> Tensor:
        return (before + after) / 2

    def flows(self, before: Tensor, after: Tensor) -> Tensor:
        return torch.zeros(len(before), 4, *before.shape[2:])


def test_each_cut_and_each_protocol_decodes_once_more(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch,
    write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray],
) -> None:  # fmt: skip
    """As the README counts."""
    for number in range(3):
        for folder, length in (("real", 20), ("generated", 20), ("base", 10)):
            write_video(tmp_path / folder / f"{number}.mp4", moving_clip(number, length))
    torch.jit.script(Levels()).save(str(tmp_path / "levels.pt"))
    sha256 = hashlib.sha256((tmp_path / "levels.pt").read_bytes()).hexdigest()
    for name in ("smoothness", "warp-error"):
        network = replace(CLIP_MEASURES[name].network, load=lambda *_: Blend())
        monkeypatch.setitem(CLIP_MEASURES, name, replace(CLIP_MEASURES[name], network=network))
    evaluate(
        tmp_path / "real", tmp_path / "generated", settings=Settings(features="random3d", window=8, resamples=0),
        measures=MeasureSettings(
            ("fvd:fastvideo", "fvd:stylegan-v"), {"i3d": PinnedFile(str(tmp_path / "levels.pt"), sha256)},
            {"i3d": "levels"}, allow_fewer=True,
        ),
        clip_measures=("smoothness", "warp-error"), base_clips=tmp_path / "base",
    )  # fmt: skip
    shared, thirds, fragments, packaged, first_frames, random_start, counted = 1, 1, 1, 1, 1, 2, 1
    by_all = shared + thirds + packaged + first_frames
    assert Counter(decoded) == {
        f"{folder}/{number}.mp4": times
        for number in range(3)
        for folder, times in (
            ("real", by_all + random_start),
            ("generated", by_all + counted + fragments + first_frames),
            ("base", counted + shared),
        )
    }


def test_a_second_run_decodes_nothing_and_a_new_file_alone(
    clip_folders: Path, decoded: list[str], tmp_path: Path,
    write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray],
) -> None:  # fmt: skip
    first = run(clip_folders, cache=tmp_path / "cache")
    decoded.clear()
    assert numbers(run(clip_folders, cache=tmp_path / "cache")) == numbers(first)
    assert decoded == []
    (clip_folders / "real" / "0.mp4").rename(clip_folders / "real" / "moved.mp4")
    write_video(clip_folders / "generated" / "new.mp4", moving_clip(7))
    run(clip_folders, cache=tmp_path / "cache")
    # What has no twin any more is measured again without it.
    assert sorted(decoded) == ["frozen/0.mp4", "generated/0.mp4", "generated/new.mp4"]
    decoded.clear()
    run(clip_folders, replace(SETTINGS, window=6), cache=tmp_path / "cache")
    assert len(decoded) == 13


def test_a_run_that_was_stopped_goes_on(
    clip_folders: Path, decoded: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = numbers(run(clip_folders))
    calls, whole = [], Random3DFeatures.__call__

    def killed_at_the_tenth(self: Random3DFeatures, clips: object) -> object:
        calls.append(clips)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return whole(self, clips)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Random3DFeatures, "__call__", killed_at_the_tenth)
        with pytest.raises(KeyboardInterrupt):
            run(clip_folders, cache=tmp_path / "cache")
    decoded.clear()
    assert numbers(run(clip_folders, cache=tmp_path / "cache")) == expected
    assert 0 < len(decoded) < 12


@pytest.mark.parametrize("change", [{"batch_size": 1}, {"batch_size": 3}, {"batch_size": 64}, {"workers": 3}])
def test_batches_and_threads_change_no_number(clip_folders: Path, change: dict[str, int]) -> None:
    assert numbers(run(clip_folders, **change)) == pytest.approx(numbers(run(clip_folders)), rel=1e-9, abs=1e-12)


def test_trimmed_broken_short_and_single_files_are_each_named(
    clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    """Six kinds of bad files among four good ones: the good are counted, the bad named, each with its reason."""
    generated, real = clip_folders / "generated", clip_folders / "real"
    good = (generated / "0.mp4").read_bytes()
    (generated / "empty.mp4").write_bytes(b"")
    (generated / "half.mp4").write_bytes(good[: len(good) // 2])
    (generated / "list.csv").write_text("name,caption\n")
    write_video(generated / "one.mp4", moving_clip(8, num_frames=1))
    write_video(generated / "short.mp4", moving_clip(9, num_frames=6))
    write_video(real / "short.mp4", moving_clip(9, num_frames=30))
    (generated / "gone.mp4").symlink_to(generated / "nowhere.mp4")
    result = run(clip_folders)
    assert {Path(item.file).name: item.reason for item in result.skipped} == {
        "empty.mp4": "is corrupt or not a video (Invalid data found when processing input)",
        "gone.mp4": "cannot be read (No such file or directory)",
        "half.mp4": "is corrupt or not a video (Invalid data found when processing input)",
        "list.csv": "is corrupt or not a video (Invalid data found when processing input)",
        "one.mp4": "has 1 frame, fewer than the 12 that are compared",
        "short.mp4": "has 6 frames, fewer than the 12 that are compared",
    }
    assert [(data.role, data.count) for data in result.data] == [("real", 6), ("generated", 4)]
