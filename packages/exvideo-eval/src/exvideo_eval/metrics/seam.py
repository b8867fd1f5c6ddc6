"""Jumps at the borders of windows or chained clips, against those elsewhere."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.cuts import RESOLUTION

Array = NDArray[np.float64]


def seam(changes: Array, frames: Sequence[int]) -> float:
    """Mean change at the given frames over the median of all others: 1 where nothing is seen of them, or all is still.

    Args:
        changes: (frames - 1,) from frame to frame, in [0, 1].
        frames: indices of the first frame behind each border, 1 at least.

    Raises:
        ValueError: a frame is not in the clip, there is none, or there are no others.
    """
    wrong = [frame for frame in frames if not 1 <= frame <= len(changes)]
    if wrong or not 0 < len(set(frames)) < len(changes):
        raise ValueError(f"Borders {list(frames)} have no seam: give some, not all, of the frames 1 to {len(changes)}.")
    mask = np.zeros(len(changes), dtype=bool)
    mask[[frame - 1 for frame in frames]] = True
    return float((changes[mask].mean() + RESOLUTION) / (np.median(changes[~mask]) + RESOLUTION))
