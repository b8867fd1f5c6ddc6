"""Flicker: how far each frame is off the mean of its neighbours. Steady motion has some, a frozen clip has none."""

import numpy as np
from torch import Tensor


def flicker(clip: Tensor) -> float:
    """Mean over inner frames of the mean absolute difference to the mean of both neighbours, in [0, 1].

    A frozen clip has 0, so that less is not better: read it against real clips.

    Args:
        clip: uint8 (frames, 3, height, width), 3 frames at least.

    Raises:
        ValueError: it has fewer frames.
    """
    if len(clip) < 3:
        raise ValueError(f"A clip of {len(clip)} frames has no inner one: give at least 3.")
    triples = zip(clip[:-2], clip[1:-1], clip[2:], strict=True)
    off = [(2 * middle.int() - before.int() - after.int()).abs().double().mean() for before, middle, after in triples]
    return float(np.mean(off)) / 2 / 255
