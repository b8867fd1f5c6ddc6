"""Quantities of a clip's motion over long distances that its frame curves do not hold."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.metrics.drift import DISTANCES, changes
from exvideo_eval.metrics.flicker import flicker
from exvideo_eval.metrics.palindrome import palindrome
from exvideo_eval.metrics.relative_motion import clip_motion

Array = NDArray[np.float64]

CHANGES, PALINDROME, FLICKER, MOTION = "changes", "palindrome", "flicker", "motion"


def clip_motions(clip: Tensor) -> Mapping[str, Array]:
    """By name, of a uint8 clip (frames, 3, height, width); those that it has too few frames for are not there.

    "changes" (frames - 1,) from frame to frame, "change over D frames" (1,) for each of DISTANCES, "motion" (1,) for
    the dynamic degree, "flicker" (1,), "palindrome" (1,).
    """
    steps = changes(clip, 1)
    found = {CHANGES: steps, drift_name(1): steps.mean(keepdims=True), MOTION: np.array([clip_motion(clip)])}
    for distance in DISTANCES[1:]:
        if distance < len(clip):
            found[drift_name(distance)] = changes(clip, distance).mean(keepdims=True)
    if len(clip) >= 3:
        found[FLICKER] = np.array([flicker(clip)])
    if len(clip) >= 4:
        found[PALINDROME] = np.array([palindrome(clip)])
    return found


def drift_name(distance: int) -> str:
    """Of the mean change between frames that far apart."""
    return f"change over {distance} frame{'s' * (distance > 1)}"
