import numpy as np
import pytest
from exvideo_eval.metrics.cuts import cuts, largest_jump


def test_a_cut_stands_out_of_its_neighbours_and_fast_motion_does_not() -> None:
    assert cuts(np.array([0.01, 0.01, 0.3, 0.01, 0.01])) == [3]
    assert cuts(np.full(9, 0.3)) == []
    assert cuts(np.zeros(9)) == []


def test_a_jump_too_small_to_be_a_cut_is_none() -> None:
    assert cuts(np.array([0.001, 0.001, 0.05, 0.001, 0.001])) == []


def test_a_flash_of_one_frame_is_two_cuts() -> None:
    assert cuts(np.array([0.01, 0.01, 0.3, 0.3, 0.01, 0.01])) == [3, 4]


def test_the_largest_jump_is_in_medians() -> None:
    assert largest_jump(np.zeros(9)) == 1
    assert largest_jump(np.array([0.1, 0.1, 0.5])) == pytest.approx(5, rel=0.05)
    assert largest_jump(np.array([0.5, 0.1, 0.1])) == largest_jump(np.array([0.1, 0.1, 0.5]))
