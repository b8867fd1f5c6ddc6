import numpy as np
import pytest
import torch
from exvideo_eval.metrics.drift import changes
from torch import Tensor


def grey(*levels: int) -> Tensor:
    """Frames of one grey level each, 8x8."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()


def test_changes_are_those_that_arithmetic_gives() -> None:
    ramp = grey(0, 51, 102, 153, 204)
    assert changes(ramp, 1) == pytest.approx([0.2] * 4)
    assert changes(ramp, 3) == pytest.approx([0.6] * 2)


def test_backwards_is_as_far_and_a_steady_place_is_no_nearer_than_its_range() -> None:
    clip = torch.randint(0, 256, (9, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(changes(clip.flip(0), 4), changes(clip, 4)[::-1])
    assert changes(clip, 2) == pytest.approx(changes(255 - clip, 2))


@pytest.mark.parametrize("distance", [0, 5])
def test_a_distance_that_no_two_frames_have_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match=f"frame distance is {distance}: give 1 to 4"):
        changes(grey(0, 0, 0, 0, 0), distance)
