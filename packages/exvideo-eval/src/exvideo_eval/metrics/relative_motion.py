"""Dynamic degree by pixels: the share of clips that move at least half as much as real clips do.

VBench (arXiv 2311.17982) asks optical flow for a fixed threshold; here the threshold is half of the real clips' motion.
Motion is the mean over adjacent frames of the largest 5% of pixel changes, so that a small subject counts. Camera
motion counts, and so does noise.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

TOP, HALF = 0.05, 0.5


def clip_motion(clip: Tensor) -> float:
    """Mean over adjacent frames of the mean of the top 5% of their pixels' changes, in [0, 1].

    Args:
        clip: uint8 (frames, 3, height, width), 2 frames at least.
    """
    count = max(1, math.ceil(TOP * clip.shape[-1] * clip.shape[-2]))
    pairs = itertools.pairwise(clip)
    tops = [(b.int() - a.int()).abs().double().mean(dim=0).flatten().topk(count).values.mean() for a, b in pairs]
    return float(np.mean(tops)) / 255


def moving(motions: Array, real: Array) -> Array:
    """(clips,), 1 of clips whose motion (clips,) is at least half of the real clips' mean, else 0: of a still clip.

    The dynamic degree is their mean.
    """
    return ((motions >= HALF * real.mean()) & (motions > 0)).astype(np.float64)
