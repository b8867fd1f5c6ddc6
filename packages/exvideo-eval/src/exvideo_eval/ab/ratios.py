"""Ratios of two contenders round by round, and the interval of their median without any assumption of its shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

LEVEL = 0.95


@dataclass(frozen=True)
class Ratio:
    """The median of a round's ratios, and its interval at `LEVEL`; None below six rounds, which hold none."""

    median: float
    interval: tuple[float, float] | None


def ratio_of(numerators: Sequence[Sequence[float]], denominators: Sequence[Sequence[float]]) -> Ratio:
    """Of figures measured in turns: a round's ratio is the median of its turns', and the median of rounds is told.

    What slows a turn down for both cancels in its ratio; what is one process's own is the same for all of a round.

    Args:
        numerators: above 0, one list a round, of one number a turn.
        denominators: of the same turns.
    """
    ratios = [
        median(one / other for one, other in zip(*turns, strict=True))
        for turns in zip(numerators, denominators, strict=True)
    ]
    return Ratio(median(ratios), median_interval(ratios))


def median_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Bounds of the median of what the values are drawn from, by their order (David and Nagaraja, 2003, 7.1).

    The k-th smallest and the k-th largest, with the largest k for which the chance that the median lies outside, which
    is that of fewer than k heads in as many throws of a coin, twice, is at most 1 - level. None if that holds for no k.
    """
    count = len(values)
    ordered = sorted(values)
    outside, place = 0.0, 0
    for heads in range(count // 2):
        outside += 2 * comb(count, heads) / 2**count
        if outside > 1 - level:
            break
        place = heads + 1
    return (ordered[place - 1], ordered[-place]) if place else None
