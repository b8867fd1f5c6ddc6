import pytest
import torch
from exvideo_eval.metrics.palindrome import palindrome
from torch import Tensor


def grey(*levels: int) -> Tensor:
    """Frames of one grey level each, 8x8."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()


def test_a_clip_that_runs_back_is_a_palindrome_and_so_is_a_still_one() -> None:
    assert palindrome(grey(0, 50, 100, 100, 50, 0)) == 0
    assert palindrome(grey(0, 50, 100, 50, 0)) == 0
    assert palindrome(grey(7, 7, 7, 7)) == 0


def test_a_ramp_is_none_and_a_repeat_is_far_from_one() -> None:
    assert palindrome(grey(0, 10, 20, 30, 40, 50)) == pytest.approx(1)
    assert palindrome(grey(0, 10, 20, 0, 10, 20)) > 10


def test_backwards_is_the_same() -> None:
    clip = torch.randint(0, 256, (8, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert palindrome(clip.flip(0)) == pytest.approx(palindrome(clip))


def test_three_frames_have_no_halves() -> None:
    with pytest.raises(ValueError, match="A clip of 3 frames has no halves to compare: give at least 4"):
        palindrome(grey(0, 1, 2))
