"""Motion smoothness by an interpolator's guesses (VBench, Huang et al., arXiv 2311.17982, with AMT in its place)."""

from collections.abc import Callable

import torch
from torch import Tensor

_PAIRS = 8  # that are interpolated at a time


def motion_smoothness(clip: Tensor, middle: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Mean likeness of the frames 1, 3, 5, ... to their guesses from both neighbours: (255 - error) / 255.

    A frozen clip has 1, the best there is: it says that motion is smooth, not that there is any.

    Args:
        clip: uint8 (frames, 3, height, width), 3 frames or more; of an even number the last is not used.
        middle: from frames before and after, (batch, 3, height, width) in [0, 1], to the ones half-way.

    Returns:
        In [0, 1]; the error is the mean absolute difference of 8-bit levels, guesses rounded to such.

    Raises:
        ValueError: fewer than 3 frames.
    """
    if len(clip) < 3:
        raise ValueError(f"Motion smoothness is of frames between others, and a clip has {len(clip)}: give 3 or more.")
    guessed = (len(clip) - 1) // 2
    total = 0.0
    for start in range(0, guessed, _PAIRS):
        frames = clip[2 * start : 2 * min(start + _PAIRS, guessed) + 1]
        known, truth = frames[::2].float() / 255, frames[1::2].double()
        guess = (middle(known[:-1], known[1:]) * 255).round().to(truth.device, torch.float64)
        total += float((guess - truth).abs().mean(dim=(1, 2, 3)).sum())
    return 1 - total / guessed / 255
