import numpy as np
import pytest
import torch
from exvideo_eval.metrics.relative_motion import clip_motion, moving


def test_motion_is_that_of_the_five_percent_that_change_most() -> None:
    corner = torch.zeros(2, 3, 10, 10, dtype=torch.uint8)
    corner[1, :, 0, :5] = 255  # 5 of 100 pixels
    assert clip_motion(corner) == pytest.approx(1)
    corner[1, :, 0, 4] = 0
    assert clip_motion(corner) == pytest.approx(0.8)
    assert clip_motion(corner.flip(0, 3)) == pytest.approx(0.8)
    assert clip_motion(torch.full((4, 3, 8, 8), 9, dtype=torch.uint8)) == 0


def test_clips_with_half_of_the_real_motion_or_more_are_dynamic() -> None:
    assert moving(np.array([0.5, 0.49, 2.0, 0.0]), np.array([0.5, 1.5])).tolist() == [1, 0, 1, 0]


def test_a_still_clip_is_dynamic_beside_no_real_ones_either() -> None:
    assert moving(np.array([0.0, 0.1]), np.array([0.0])).tolist() == [0, 1]
