"""Intervals of means and ratios over clips and seeds that are both drawn: seeds of clips, and clips of seeds.

Values are a table of (seeds, clips), taken for a random effect of each, of the two together, and no more (Cornfield and
Tukey, Ann. Math. Stat. 27, 1956). The variance of the mean of all is

    (MS_seeds + MS_clips - MS_rest) / (seeds * clips)

a negative estimate of an effect left out; its degrees of freedom are Satterthwaite's (Biometrics 2, 1946), and the
interval is Student's t. With three seeds it is wide where seeds differ, and should be: three tell little of a fourth.
Of 3,000 tables of 3 seeds and 35 clips it held the truth in 0.93 (seeds differ as clips do) to 0.98 (neither do). A
ratio of two means has the interval of the mean of its residuals, (a - ratio b) / mean(b).

Several comparisons that are made together are corrected by Holm's procedure (Scand. J. Stat. 6, 1979), whose least
levels are small. Of 6,000 tables of 196 clips without a difference, clips and the rest with a deviation of 1, a p value
below them was found in

    seeds  their deviation  p < 0.0125       p < 0.0025
    5      0 to 1           0.012 to 0.018   0.002 to 0.006
    3      0 to 1           0.010 to 0.034   0.002 to 0.017
    2      0 to 1           0.009 to 0.074   0.002 to 0.053

so that two seeds give an interval, and no verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from exvideo_eval import Interval
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]

LEVEL = 0.95
METHOD = "crossed random seeds and clips, Satterthwaite's degrees of freedom, Student's t"


def mean_interval(values: Array, level: float = LEVEL) -> Interval:
    """Of the mean of all values.

    Args:
        values: (seeds, clips), finite; at least 2 of each.
        level: in (0, 1).

    Raises:
        ValueError: there are fewer, or a value is not finite.
    """
    mean, reach = float(values.mean()), _error(values).reach(level)
    return Interval(mean - reach, mean + reach, level, METHOD)


def ratio_interval(values: Array, others: Array, level: float = LEVEL) -> Interval:
    """Of mean(values) / mean(others), tables of the same seeds and clips; raises ValueError as `mean_interval`."""
    ratio = float(values.mean() / others.mean())
    reach = _error((values - ratio * others) / others.mean()).reach(level)
    return Interval(ratio - reach, ratio + reach, level, f"{METHOD}, of residuals")


def p_value(values: Array) -> float:
    """Two-sided, of a mean of zero: 1 less the level of the interval of the mean that ends there.

    Args:
        values: (seeds, clips), as for `mean_interval`, which says what is raised.
    """
    mean, error = float(values.mean()), _error(values)
    if error.deviation == 0:
        return float(mean == 0)
    return 2 * float(student.sf(abs(mean) / error.deviation, error.freedom))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P values corrected for being looked at together, by name: each is to be held against the level of them all."""
    corrected, least = dict[str, float](), 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = least
    return {name: corrected[name] for name in p_values}


@dataclass(frozen=True)
class _Error:
    """The standard deviation of a mean, and the degrees of freedom that it is known with."""

    deviation: float
    freedom: float

    def reach(self, level: float) -> float:
        """Half the width of the interval."""
        return float(student.ppf(0.5 + level / 2, self.freedom)) * self.deviation if self.deviation else 0.0


def _error(values: Array) -> _Error:
    """Of the mean of a table."""
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"A table of {values.shape} values was given, {int(np.isfinite(values).sum())} of them finite: give at "
            "least 2 seeds and 2 clips, and a finite value of each."
        )
    seeds, clips = values.shape
    centred = values - values.mean()
    of_seeds, of_clips = centred.mean(axis=1, keepdims=True), centred.mean(axis=0, keepdims=True)
    rest = centred - of_seeds - of_clips
    free = np.array([seeds - 1, clips - 1, (seeds - 1) * (clips - 1)])
    sums = np.array([clips * np.square(of_seeds).sum(), seeds * np.square(of_clips).sum(), np.square(rest).sum()])
    squares = sums / free  # mean squares of seeds, of clips, of the rest
    shows = squares[:2] > squares[2]
    parts = np.array([*shows, 1 - shows.sum()]) * squares if shows.any() else np.array([0, 0, squares[2]])
    total = float(parts.sum())
    if total <= 0:
        return _Error(0.0, float(free[-1]))
    return _Error((total / values.size) ** 0.5, total**2 / float((np.square(parts) / free).sum()))
