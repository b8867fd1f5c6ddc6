"""Each measure on clips whose fault is made by hand, from pixels to the result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval import Settings, evaluate
from exvideo_eval.metrics.cuts import cuts, largest_jump
from exvideo_eval.metrics.drift import changes
from exvideo_eval.metrics.flicker import flicker
from exvideo_eval.metrics.palindrome import palindrome
from exvideo_eval.metrics.relative_motion import clip_motion
from exvideo_eval.metrics.repetition import is_still, nearest_return
from exvideo_eval.metrics.seam import seam
from exvideo_eval.results import Result

SETTINGS = Settings(features="random3d", window=4, resamples=20, seam_every=6)


def grey(*levels: int) -> torch.Tensor:
    """Frames of one grey level each, 8x8."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()


def value(result: Result, name: str) -> float:
    metric = result.metric(name)
    assert metric is not None, name
    return metric.value


def test_changes_are_those_that_arithmetic_gives() -> None:
    ramp = grey(0, 51, 102, 153, 204)
    assert changes(ramp, 1) == pytest.approx([0.2] * 4)
    assert changes(ramp, 3) == pytest.approx([0.6] * 2)
    with pytest.raises(ValueError, match="frame distance is 5: give 1 to 4"):
        changes(ramp, 5)


def test_a_loop_returns_a_ramp_does_not_and_a_still_clip_never_left() -> None:
    assert nearest_return(np.linspace(0.1, 1, 10)) == 1
    assert nearest_return(np.array([0.2, 0.4, 0.2, 0.0, 0.2])) == 0
    assert nearest_return(np.array([0.2, 0.4, 0.1])) == pytest.approx(0.25)
    assert nearest_return(np.zeros(5)) == 0
    assert is_still(np.full(5, 0.5 / 255))
    assert not is_still(np.array([0.0, 2 / 255]))


def test_a_cut_stands_out_of_its_neighbours_and_fast_motion_does_not() -> None:
    assert cuts(np.array([0.01, 0.01, 0.3, 0.01, 0.01])) == [3]
    assert cuts(np.full(9, 0.3)) == []
    assert cuts(np.zeros(9)) == []
    assert largest_jump(np.zeros(9)) == 1
    assert largest_jump(np.array([0.1, 0.1, 0.5])) == pytest.approx(5, rel=0.05)


def test_a_seam_is_seen_at_its_frames_alone() -> None:
    steps = np.array([0.1, 0.1, 0.4, 0.1, 0.1])
    assert seam(steps, [3]) == pytest.approx(4, rel=0.05)
    assert seam(steps, [2]) == pytest.approx(1)
    with pytest.raises(ValueError, match="give some, not all, of the frames 1 to 5"):
        seam(steps, [6])


def test_a_clip_that_runs_back_is_a_palindrome_and_a_ramp_is_not() -> None:
    assert palindrome(grey(0, 50, 100, 100, 50, 0)) == 0
    assert palindrome(grey(7, 7, 7, 7)) == 0
    assert palindrome(grey(0, 10, 20, 30, 40, 50)) == pytest.approx(1)


def test_flicker_and_motion_are_those_that_arithmetic_gives() -> None:
    assert flicker(grey(0, 51, 0, 51)) == pytest.approx(0.2)
    assert flicker(grey(0, 51, 102)) == 0
    corner = torch.zeros(2, 3, 10, 10, dtype=torch.uint8)
    corner[1, :, 0, :5] = 255  # 5 of 100 pixels
    assert clip_motion(corner) == pytest.approx(1)


@pytest.fixture
def faulty(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    for seed in range(4):
        real = moving_clip(seed)
        orders = {"real": range(12), "frozen": [0] * 12, "back": [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0]}
        for folder, order in orders.items():
            write_video(tmp_path / folder / f"{seed}.mp4", real[list(order)])
        write_video(tmp_path / "seam" / f"{seed}.mp4", np.concatenate([real[:6], np.roll(real[6:], 9, axis=1)]))
    return tmp_path


def test_each_fault_shows_in_its_own_measure(faulty: Path) -> None:
    back, frozen, seamed = (
        evaluate(faulty / "real", faulty / name, settings=SETTINGS).generated for name in ("back", "frozen", "seam")
    )
    for name in ("palindrome", "nearest return to the first frame"):
        assert value(back, name) < 0.3 * value(back, f"{name}, real clips")
    assert value(seamed, "seam") > 1.2 > value(seamed, "seam, real clips")
    assert value(seamed, "largest jump") > value(seamed, "largest jump, real clips")
    assert value(frozen, "still clips") == 1
    assert value(frozen, "dynamic degree relative to real") == 0
    assert value(frozen, "change over 4 frames, ratio to real") < 0.1
    assert value(frozen, "flicker, ratio to real") < 0.1


def test_frozen_clips_improve_no_number_that_has_a_better(faulty: Path) -> None:
    evaluation = evaluate(faulty / "real", faulty / "frozen", faulty / "real", settings=SETTINGS)
    assert evaluation.baseline is not None
    for metric in evaluation.generated.metrics:
        perfect = evaluation.baseline.metric(metric.name)
        if metric.better == "neutral" or perfect is None:
            continue
        gain = (metric.value - perfect.value) * (1 if metric.better == "higher" else -1)
        assert gain <= 1e-9, metric.name


def test_a_seam_beyond_the_clip_is_refused(faulty: Path) -> None:
    with pytest.raises(ValueError, match="A seam every 20 frames: give 2 to 11"):
        evaluate(faulty / "real", faulty / "seam", settings=replace(SETTINGS, seam_every=20))
