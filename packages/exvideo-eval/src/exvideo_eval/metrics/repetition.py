"""Nearest return to the first frame after having left it: a clip that runs in a loop comes back.

As NoRepeat of RIFLEx (arXiv 2502.15894), which is a number of pixels and so depends on resolution; here a fraction of
the range of the clip itself.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STILL = 1 / 255  # a clip that never is further from its first frame, in mean absolute difference, is still
LEFT = 0.5  # of the range


def is_still(to_first: Array) -> bool:
    """True for a clip (frames - 1,) of distances to its first frame, in [0, 1], that never leaves it."""
    return float(to_first.max()) < STILL


def nearest_return(to_first: Array) -> float:
    """The least distance to the first frame, over the greatest before it, once half of the range was reached.

    1 for a clip that only goes away, 0 for one that is back at its first frame, and 0 for a still one, which never
    left it.

    Args:
        to_first: distances (frames - 1,) of the frames to the first, >= 0.
    """
    if is_still(to_first):
        return 0.0
    farthest = np.maximum.accumulate(to_first)
    left = farthest >= LEFT * farthest[-1]
    return float((to_first[left] / farthest[left]).min())
