"""Shares of clips of which something holds: their intervals, and whether two sets differ in one."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.pairs import MIN_UNITS
from exvideo_eval.result_parts import Interval, Significance
from exvideo_eval.statistics import Clips

Array = NDArray[np.float64]


def share_interval(clips: Clips, level: float) -> Interval | None:
    """Wilson's, of values (clips,) 0 or 1. Clips of one file count as one clip; None for fewer than 3 files."""
    files = len(set(clips.sources))
    return wilson_interval(float(clips.values.mean()), files, level) if files >= MIN_UNITS else None


def difference_interval(first: Clips, second: Clips, level: float) -> Interval | None:
    """Of the share of `first` less that of `second`, values (clips,) 0 or 1; by pairs where both are of the same files.

    Else Newcombe's by two Wilson intervals (Statistics in Medicine 17, 1998, page 873, method 10), in which clips of
    one file count as one. None for fewer than 3 files of a set.
    """
    places = [{source: index for index, source in enumerate(clips.sources)} for clips in (first, second)]
    if places[0].keys() == places[1].keys() and len(first.values) == len(second.values) == len(places[0]) >= MIN_UNITS:
        return paired_interval(first.values, second.values[[places[1][source] for source in places[0]]], level)
    one, other = share_interval(first, level), share_interval(second, level)
    if one is None or other is None:
        return None
    shares = float(first.values.mean()), float(second.values.mean())
    below = math.hypot(shares[0] - one.low, other.high - shares[1])
    above = math.hypot(one.high - shares[0], shares[1] - other.low)
    difference = shares[0] - shares[1]
    return Interval(difference - below, difference + above, level, "Newcombe, two Wilson intervals")


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
