"""Shares of clips of which something holds: their intervals, and whether two sets differ in one."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.result_parts import Interval, Significance

Array = NDArray[np.float64]


def wilson_interval(share: float, count: int, level: float) -> Interval:
    """Bounds in [0, 1] of the share among all clips, if `share` of `count` was found (Wilson, 1927).

    Drawing clips again, as elsewhere, would give no width where all or none of them is right.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(max(centre - reach, 0.0), min(centre + reach, 1.0), level, "Wilson")


def paired_interval(first: Array, second: Array, level: float) -> Interval:
    """Of the share of `first` less that of `second`, each (clips,) 0 or 1 of the same clips (Agresti and Min, 2005).

    A half is added to each of the four kinds of pairs, so that it has a width where all pairs agree.
    """
    gained, lost = (float(np.sum(one > other)) + 0.5 for one, other in ((first, second), (second, first)))
    count = len(first) + 2
    centre = (gained - lost) / count
    reach = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(gained + lost - (gained - lost) ** 2 / count) / count
    difference = float(np.mean(first - second))
    low, high = min(centre - reach, difference), max(centre + reach, difference)
    return Interval(max(low, -1.0), min(high, 1.0), level, "Agresti and Min, pairs")


def mcnemar(first: Array, second: Array) -> Significance:
    """Exact test of pairs, each (clips,) 0 or 1: of those that disagree, as many each way (McNemar, 1947).

    The p value is two-sided; 1 where no pair disagrees.
    """
    gained, lost = int(np.sum(first > second)), int(np.sum(second > first))
    disagree = gained + lost
    tail = sum(math.comb(disagree, k) for k in range(min(gained, lost) + 1)) / 2**disagree
    return Significance(min(1.0, 2 * tail), "McNemar, exact")
