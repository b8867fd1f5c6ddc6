"""Jumps from frame to frame: the largest over the clip's median, and those that stand out of their neighbours.

The detector is of the kind of PySceneDetect's AdaptiveDetector (a change against the mean of the changes around it,
and an absolute threshold), on pixels instead of HSV.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATIO, AROUND, LEAST = 3.0, 2, 15 / 255
RESOLUTION = 0.25 / 255  # what 8-bit pixels cannot tell from no change


def largest_jump(changes: Array) -> float:
    """The largest of the changes (frames - 1,) from frame to frame, over their median; 1 for a still clip."""
    return float((changes.max() + RESOLUTION) / (np.median(changes) + RESOLUTION))


def cuts(changes: Array) -> list[int]:
    """The frames at which a shot begins, by changes (frames - 1,) in [0, 1] from frame to frame."""
    found = []
    for place, change in enumerate(changes):
        around = np.concatenate([changes[max(0, place - AROUND) : place], changes[place + 1 : place + 1 + AROUND]])
        if change >= LEAST and around.size and change >= RATIO * around.mean():
            found.append(place + 1)
    return found
