"""The cut of the clips: as the generated files have it, unless that leaves many of them out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.plan import ClipPlan, Settings, commonest_length, lengths_that_lose_many, plan_clips
from exvideo_eval.video_reader import VideoInfo


def infos(*lengths: int) -> list[VideoInfo]:
    return [VideoInfo(length, 8.0, 32, 32) for length in lengths]


def test_the_commonest_length_is_taken_and_of_equally_common_ones_the_shortest() -> None:
    assert commonest_length(infos(24, 12, 24)) == 24
    assert commonest_length(infos(24, 12, 12, 24, 30)) == 12


@pytest.mark.parametrize("lengths", [(24, 24, 12), (24, 24, 40, 50, 60), (24,), (12, 16, 24)])
def test_lengths_that_leave_a_third_out_at_most_pass(lengths: tuple[int, ...]) -> None:
    assert lengths_that_lose_many(infos(*lengths)) is None


def test_many_lengths_are_named_in_few_words() -> None:
    assert lengths_that_lose_many(infos(50, 50, *range(10, 20))) == (
        "10 of 12 are shorter than the 50 frames that most have "
        "(frames: 10 (1), 11 (1), 12 (1), 13 (1), 14 (1), 15 (1), 16 (1), 3 more lengths, 50 (2))"
    )


@pytest.fixture
def unequal(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    """As after cutting at key frames: two clips of 24 frames, five of 12 to 16, and one of a single frame."""
    for number, length in enumerate((24, 24, 12, 13, 14, 15, 16, 1)):
        write_video(tmp_path / f"{number}.mp4", moving_clip(number, length))
    return tmp_path


def test_a_length_that_leaves_more_than_a_third_out_must_be_asked_for(unequal: Path) -> None:
    found = r"6 of 8 are shorter than the 24 .*\(frames: 1 \(1\), 12 \(1\), .*, 16 \(1\), 24 \(2\)\)"
    with pytest.raises(ValueError, match=found + ": give --frames 12 to compare 7 of them, or --frames 24 for 2."):
        plan_clips(Settings(), unequal)
    for frames in (12, 24):
        assert plan_clips(Settings(num_frames=frames), unequal) == ClipPlan(
            frames, (32, 32), min(frames, 16), 8 - 2 * (frames == 12)
        )
