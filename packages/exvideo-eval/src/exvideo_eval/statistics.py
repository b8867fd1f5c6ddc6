"""Intervals of statistics of clips: whole source files are drawn, twins together.

Means and ratios of means have percentile intervals of bootstrap draws, their percentiles widened for few units as
Student's t is (Hesterberg, Am. Stat. 69, 2015, section 3.2). Drawing repeats clips, which by itself shifts distances
and widens their spread; these have the jackknife's standard error (Efron and Stein, Ann. Stat. 9, 1981), which never
repeats one, and Student's t. docs/decisions/0012-statistics-of-clips.md has the coverage of both.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.pairs import MIN_UNITS, Units
from exvideo_eval.result_parts import Interval
from exvideo_eval.student import student_quantile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws that an interval or a test is made from: their number, the level in (0, 1) and the seed."""

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Clips:
    """One set: `values` (clips, ...) of each clip, and the source file of each."""

    values: Array
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One set in many draws: `values` (clips, ...), `weights` (draws, clips) in whole numbers, `units` (clips,)."""

    values: Array
    weights: Array
    units: NDArray[np.int64]

    def of(self, draws: slice) -> "Sample":
        """Some of the draws; the one that there is, if there is one."""
        return self if len(self.weights) == 1 else replace(self, weights=self.weights[draws])

    def mean(self) -> Array:
        """(draws, ...)"""
        total: Array = np.tensordot(self.weights, self.values, axes=1)
        return total / self.weights.sum(axis=1).reshape(-1, *[1] * (self.values.ndim - 1))


# Of one sample a set, the set that is judged first: a number a draw. Sets of one draw go with those of many.
Statistic = Callable[..., Array]


def value_of(statistic: Statistic, sets: Sequence[Clips]) -> float:
    """The statistic of the sets as they are."""
    units = Units.of(*(clips.sources for clips in sets))
    return float(statistic(*_samples(sets, units, [np.ones((1, len(clips.values))) for clips in sets]))[0])


def percentile_interval(statistic: Statistic, sets: Sequence[Clips], resampling: Resampling) -> Interval | None:
    """Of a statistic that drawing does not shift; None for fewer than 3 source files of a set, or 2 resamples."""
    units = Units.of(*(clips.sources for clips in sets))
    if units.fewest < MIN_UNITS or resampling.resamples < 2:
        return None
    drawn = units.draws(resampling.resamples, resampling.seed)
    draws = np.concatenate([statistic(*_samples(sets, units, weights)) for weights in drawn])
    count = units.fewest
    tail = NormalDist().cdf(student_quantile(0.5 - resampling.level / 2, count - 1) * math.sqrt(count / (count - 1)))
    low, high = np.quantile(draws, [tail, 1 - tail])
    method = f"bootstrap over source files, {resampling.resamples} resamples, widened percentiles"
    return Interval(float(low), float(high), resampling.level, method)


@dataclass(frozen=True)
class Jackknife:
    """A statistic with each source file left out in turn.

    Attributes:
        value: of the sets as they are.
        sources: units, stratum after stratum.
        pseudo_values: (units,), n value - (n - 1) value without the unit, of its stratum's n.
        error: standard error of the value.
        freedom: degrees of freedom of that error (Satterthwaite, 1946).
    """

    value: float
    sources: tuple[str, ...]
    pseudo_values: Array
    error: float
    freedom: float

    def interval(self, level: float, minimum: float = -math.inf) -> Interval:
        """value +- Student's t times the standard error, not below `minimum`."""
        reach = student_quantile(0.5 + level / 2, self.freedom) * self.error
        return Interval(
            max(self.value - reach, minimum), self.value + reach, level, "jackknife over source files, Student's t"
        )


def jackknife(statistic: Statistic, sets: Sequence[Clips]) -> Jackknife | None:
    """None for fewer than 3 source files of a set, or if the statistic is no number without one of them."""
    units = Units.of(*(clips.sources for clips in sets))
    if units.fewest < MIN_UNITS:
        return None
    value = value_of(statistic, sets)
    without = np.zeros(len(units.names))
    for some, weights in units.without_each():
        without[some] = statistic(*_samples(sets, units, weights))
    pseudo = np.zeros(len(units.names))
    variances, counts = [], []
    for stratum in units.strata:
        count, left = stratum.stop - stratum.start, without[stratum]
        pseudo[stratum] = count * value - (count - 1) * left
        variances.append((count - 1) / count * float(np.square(left - left.mean()).sum()))
        counts.append(count)
    if not np.isfinite([value, *pseudo]).all():
        return None
    variance = sum(variances)
    spread = sum(part**2 / (count - 1) for part, count in zip(variances, counts, strict=True))
    freedom = variance**2 / spread if spread > 0 else float(min(counts) - 1)
    return Jackknife(value, units.names, pseudo, math.sqrt(variance), freedom)


def ratio_of_sums(sample: Sample) -> Array:
    """Sum of the first over the sum of the second of two values a clip (clips, 2): of weights of 1, a mean."""
    values, weights = np.moveaxis(sample.mean(), -1, 0)
    ratio: Array = values / weights
    return ratio


def ratio_interval(values: Array, weights: Array, resampling: Resampling) -> Interval | None:
    """Of sum(values) / sum(weights), each (clips,) of clips from as many files; None as `percentile_interval`."""
    clips = Clips(np.stack([values, weights], axis=1), tuple(map(str, range(len(values)))))
    return percentile_interval(ratio_of_sums, [clips], resampling)


def _samples(sets: Sequence[Clips], units: Units, weights: Sequence[Array]) -> list[Sample]:
    return [
        Sample(clips.values, weight, of_clips)
        for clips, weight, of_clips in zip(sets, weights, units.of_clips, strict=True)
    ]
