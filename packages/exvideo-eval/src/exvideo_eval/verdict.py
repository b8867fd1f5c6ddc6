"""Five verdicts on a figure that was measured twice: better, worse, same, undecided, not comparable.

Better and worse need both an interval of the difference that excludes zero and a difference above the threshold; same
needs an interval that lies within it (Schuirmann, 1987: two one-sided tests). All else is undecided, so that a wide
interval never reads as "nothing got worse".
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from exvideo_eval.result_parts import Interval, Metric

BETTER, WORSE, SAME, UNDECIDED = "better", "worse", "same", "undecided"
NOT_COMPARABLE, NEUTRAL = "not comparable", "neutral"
DIFFERS = "differs"  # of a neutral figure, by a decided difference

# Counted or summed by a program that does the same at every run: such a figure is its own interval.
EXACT_UNITS = frozenset({"FLOPs", "operators", "bytes", "KiB", "MiB", "GiB", "frames", "modules", "files", "calls"})
# Changes that nobody acts on, whatever percentage they are, by unit or by a unit's first word ("share, among 9
# captions"): of clocks and features their grain, else far less than an eye sees.
ABSOLUTE = MappingProxyType(
    {
        "s": 1e-6,
        "ms": 1e-3,
        "us": 1.0,
        "share": 0.01,
        "x": 0.01,
        "ratio": 0.01,
        "%": 0.1,
        "octaves": 0.01,
        "difference": 0.01,
        "squared feature units": 1e-6,
        "squared maximum mean discrepancy": 1e-6,
        "": 1e-6,
        "cosine": 0.001,
        "100 x cosine": 0.1,
        "classes": 0.01,
        "kinds": 0.01,
        "frames": 0.05,
        "pixels": 0.05,
        "bodies": 0.01,
        "RGB distance": 0.5,
    }
)


@dataclass(frozen=True)
class Margin:
    """Thresholds that a change must exceed, both of them, to count.

    Args:
        relative: a fraction of the figure before, at least 0.
        absolute: amounts by unit, or by a unit's first word, at least 0; none for a unit that is not there.

    Raises:
        ValueError: a threshold is negative or not a number.
    """

    relative: float = 0.05
    absolute: Mapping[str, float] = field(default_factory=lambda: ABSOLUTE)

    def __post_init__(self) -> None:
        thresholds = {"relative threshold": self.relative}
        thresholds |= {f"absolute threshold of {unit}": amount for unit, amount in self.absolute.items()}
        for name, amount in thresholds.items():
            if not (amount >= 0 and math.isfinite(amount)):
                raise ValueError(f"The {name} is {amount}: give a number of at least 0.")

    def of(self, before: Metric) -> float:
        """The least difference that counts, in the figure's unit."""
        return max(self.relative * abs(before.value), self._amount(before.unit) or 0.0)

    def judges(self, before: Metric) -> bool:
        """False for a figure of 0 in a unit without an amount: any change of it is more than a percentage of it."""
        known = before.value != 0 or before.unit in EXACT_UNITS or self._amount(before.unit) is not None
        return known or self.relative == 0

    def _amount(self, unit: str) -> float | None:
        return self.absolute.get(unit, self.absolute.get(re.split("[ ,]", unit)[0] or unit))


@dataclass(frozen=True)
class Change:
    """A difference, after minus before.

    Args:
        difference: in the figure's unit.
        interval: bounds of the difference; None where nothing tells how far it would move at another measurement.
        reason: of an interval that is missing.
        comparable: False where the two mean different things.
    """

    difference: float
    interval: tuple[float, float] | None = None
    reason: str = ""
    comparable: bool = True


def change_between(before: Metric, after: Metric) -> Change:
    """The difference of two figures that were measured independently, with its interval.

    The bounds are those of Zou and Donner (2008), from the bounds of each figure: asymmetric ones stay asymmetric.
    """
    difference = after.value - before.value
    one, two = before.interval, after.interval
    if before.unit in EXACT_UNITS and not (one or two):
        return Change(difference, (difference, difference))
    if one is None or two is None:
        return Change(difference, None, f"no interval {_missing(one, two)}")
    for what, values in (("levels", (one.level, two.level)), ("methods", (one.method, two.method))):
        if values[0] != values[1]:
            return Change(difference, None, f"intervals of different {what}, {values[0]} and {values[1]}", False)
    down = math.hypot(after.value - two.low, one.high - before.value)
    up = math.hypot(two.high - after.value, before.value - one.low)
    return Change(difference, (difference - down, difference + up))


def verdict_of(change: Change, margin: Margin, before: Metric) -> str:
    """The verdict on a change of the figure `before`, whose `better` says which way is up; neutral if none is."""
    if not change.comparable:
        return NOT_COMPARABLE
    if before.better == "neutral":
        return NEUTRAL
    if change.interval is None:
        return SAME if change.difference == 0 else UNDECIDED
    least, (low, high) = margin.of(before), change.interval
    if -least <= low and high <= least:
        return SAME
    if margin.judges(before) and abs(change.difference) > least and (low > 0 or high < 0):
        return BETTER if (change.difference < 0) == (before.better == "lower") else WORSE
    return UNDECIDED


def verdict_of_difference(metric: Metric) -> str:
    """The verdict of a report on a difference of two sets: better, worse, differs (if neutral) or undecided.

    Decided: the interval leaves zero out, and exchanging the clips of the sets by chance differs as much with a
    probability below one less the interval's level. "" without interval or test.
    """
    interval, significance = metric.interval, metric.significance
    if interval is None or significance is None:
        return ""
    if interval.low <= 0 <= interval.high or significance.p_value >= 1 - interval.level:
        return UNDECIDED
    if metric.better == "neutral":
        return DIFFERS
    return BETTER if (metric.value < 0) == (metric.better == "lower") else WORSE


def _missing(before: Interval | None, after: Interval | None) -> str:
    if before is None and after is None:
        return "on either side"
    return "before" if before is None else "after"
