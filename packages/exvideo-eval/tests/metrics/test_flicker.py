import pytest
import torch
from exvideo_eval.metrics.flicker import flicker
from torch import Tensor


def grey(*levels: int) -> Tensor:
    """Frames of one grey level each, 8x8."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()


def test_flicker_is_what_is_off_the_mean_of_both_neighbours() -> None:
    assert flicker(grey(0, 51, 0, 51)) == pytest.approx(0.2)
    assert flicker(grey(0, 51, 0, 0)) == pytest.approx((0.2 + 0.1) / 2)


def test_even_fading_and_standing_still_have_none() -> None:
    assert flicker(grey(0, 51, 102)) == 0
    assert flicker(grey(9, 9, 9, 9)) == 0


def test_backwards_and_negative_are_the_same() -> None:
    clip = torch.randint(0, 256, (8, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert flicker(clip.flip(0)) == pytest.approx(flicker(clip))
    assert flicker(255 - clip) == pytest.approx(flicker(clip))


def test_two_frames_have_no_inner_one() -> None:
    with pytest.raises(ValueError, match="A clip of 2 frames has no inner one: give at least 3"):
        flicker(grey(0, 1))
