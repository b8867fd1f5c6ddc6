"""Motion smoothness in closed form, with blending as the interpolator."""

import pytest
import torch
from exvideo_eval.metrics.interpolation import motion_smoothness
from torch import Tensor


def blend(before: Tensor, after: Tensor) -> Tensor:
    return (before + after) / 2


def ramp(*levels: int) -> Tensor:
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)


@pytest.mark.parametrize("frames", [3, 4, 17, 40])
def test_even_fading_and_standing_still_are_perfect(frames: int) -> None:
    assert motion_smoothness(ramp(*range(0, 2 * frames, 2)), blend) == pytest.approx(1)
    assert motion_smoothness(ramp(*[9] * frames), blend) == pytest.approx(1)


def test_flicker_costs_its_mean_difference() -> None:
    assert motion_smoothness(ramp(*[100, 151] * 20, 100), blend) == pytest.approx(1 - 51 / 255)
    assert motion_smoothness(ramp(0, 51, 0, 0, 0), blend) == pytest.approx(1 - 51 / 255 / 2)


def test_two_frames_have_none() -> None:
    with pytest.raises(ValueError, match="a clip has 2: give 3 or more"):
        motion_smoothness(ramp(0, 1), blend)
