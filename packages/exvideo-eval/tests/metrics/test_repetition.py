import numpy as np
import pytest
from exvideo_eval.metrics.repetition import is_still, nearest_return


def test_a_ramp_never_returns_and_a_loop_does() -> None:
    assert nearest_return(np.linspace(0.1, 1, 10)) == 1
    assert nearest_return(np.array([0.2, 0.4, 0.2, 0.0, 0.2])) == 0
    assert nearest_return(np.array([0.2, 0.4, 0.1])) == pytest.approx(0.25)


def test_it_is_a_share_of_the_clips_own_range() -> None:
    to_first = np.array([0.1, 0.3, 0.6, 0.4, 0.5])
    assert nearest_return(to_first / 7) == pytest.approx(nearest_return(to_first)) == pytest.approx(2 / 3)


def test_a_still_clip_never_left() -> None:
    assert nearest_return(np.zeros(5)) == 0
    assert is_still(np.full(5, 0.5 / 255))
    assert not is_still(np.array([0.0, 2 / 255]))
