import numpy as np
import pytest
from exvideo_eval.metrics.seam import seam

STEPS = np.array([0.1, 0.1, 0.4, 0.1, 0.1])


def test_a_seam_is_seen_at_its_frames_alone() -> None:
    assert seam(STEPS, [3]) == pytest.approx(4, rel=0.05)
    assert seam(STEPS, [2]) == pytest.approx(1)
    assert seam(STEPS, [2, 3]) == pytest.approx(2.5, rel=0.05)


def test_a_still_clip_has_no_seam() -> None:
    assert seam(np.zeros(5), [3]) == 1


@pytest.mark.parametrize("frames", [[6], [0], [], [1, 2, 3, 4, 5]])
def test_borders_that_are_none_are_refused(frames: list[int]) -> None:
    with pytest.raises(ValueError, match="give some, not all, of the frames 1 to 5"):
        seam(STEPS, frames)
