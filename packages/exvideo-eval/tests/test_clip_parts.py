"""Windows by third and fragments by the length of the base's clips."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.clip_parts import Fragments, Parts, Thirds
from exvideo_eval.execution import Execution
from exvideo_eval.plan import ClipPlan


def plan(num_frames: int, window: int = 16, stride: int = 8) -> ClipPlan:
    return ClipPlan(num_frames, (32, 32), window, stride)


def starts(thirds: Thirds) -> list[list[int]]:
    return [[thirds.plan.starts[window] for window in windows] for windows in thirds.windows]


def test_thirds_go_by_the_windows_that_there_are_where_each_holds_one() -> None:
    thirds = Thirds.of(plan(128))
    assert thirds.plan == plan(128)
    assert starts(thirds) == [[0, 8, 16, 24], [48, 56, 64], [88, 96, 104, 112]]


@pytest.mark.parametrize("num_frames", [6, 7, 24, 40, 41, 47])
def test_short_clips_have_one_window_a_third(num_frames: int) -> None:
    thirds, third = Thirds.of(plan(num_frames, min(16, num_frames))), num_frames // 3
    assert (thirds.plan.window, starts(thirds)) == (third, [[0], [third], [2 * third]])


@pytest.mark.parametrize("num_frames", range(6, 140, 7))
def test_no_window_of_a_third_sees_another(num_frames: int) -> None:
    for window in (2, 5, 16):
        thirds = Thirds.of(plan(num_frames, min(window, num_frames), 3))
        bounds = [0, num_frames // 3, 2 * (num_frames // 3), num_frames]
        for number, firsts in enumerate(starts(thirds)):
            assert firsts
            assert all(bounds[number] <= first <= bounds[number + 1] - thirds.plan.window for first in firsts)


def test_clips_of_five_frames_have_no_thirds() -> None:
    with pytest.raises(ValueError, match="Clips of 5 frames have no thirds with windows: give 6 frames or more"):
        Thirds.of(plan(5, 5))


@pytest.fixture
def base(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    """Two clips of 8 frames, and one of 12."""
    for seed, num_frames in enumerate((8, 8, 12)):
        write_video(tmp_path / "base" / f"{seed}.mp4", moving_clip(seed, num_frames))
    return tmp_path / "base"


def test_clips_of_the_base_that_are_mostly_shorter_than_the_commonest_are_refused(
    base: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    for seed, num_frames in enumerate((5, 6)):
        write_video(base / f"short{seed}.mp4", moving_clip(seed, num_frames))
    with pytest.raises(ValueError, match=r"2 of 5 are shorter than the 8 .* 12 \(1\)\): cut them to one length"):
        Fragments.of(base, plan(40), Execution())


@pytest.mark.parametrize(
    ("num_frames", "firsts"), [(40, [0, 8, 16, 24, 32]), (8, [0]), (12, [0, 4]), (30, [0, 7, 14, 21]), (9, [0, 1])]
)
def test_fragments_are_as_long_as_the_base_s_clips_and_cover_the_long_ones(
    base: Path, num_frames: int, firsts: list[int]
) -> None:
    fragments = Fragments.of(base, plan(num_frames, 8, 4), Execution())
    assert list(fragments.plan.starts) == firsts
    assert fragments.base_plan == ClipPlan(8, (32, 32), 8, 8)


def test_the_first_the_middle_and_the_last_fragment_have_figures(base: Path) -> None:
    found = [Fragments.of(base, plan(n, 8, 4), Execution()).windows for n in (40, 12, 8)]
    assert found[0] == {"first fragment": 0, "middle fragment": 2, "last fragment": 4}
    assert found[1:] == [{"first fragment": 0, "last fragment": 1}, {}]


def test_the_base_s_clips_are_no_longer_than_those_that_are_compared(base: Path) -> None:
    with pytest.raises(
        ValueError, match=r"base's own clips in .* have 8 frames, and fragments of clips of 7 frames can"
    ):
        Fragments.of(base, plan(7, 7, 4), Execution())


def test_nothing_is_measured_that_is_not_asked_for(base: Path) -> None:
    folders = {"real": Path("real"), "generated": Path("generated")}
    assert list(Parts.of(False, None, plan(40), Execution()).cuts(folders)) == []
    assert [set(of) for _, of in Parts.of(True, None, plan(40), Execution()).cuts(folders)] == [{"real", "generated"}]
    cuts = list(Parts.of(False, base, plan(40), Execution()).cuts(folders))
    assert [set(of) for _, of in cuts] == [{"real", "generated"}, {"generated"}, {"base"}]
