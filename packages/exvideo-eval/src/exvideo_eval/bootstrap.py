"""Intervals by bootstrap: whole clips are drawn again with replacement, from a seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.result_parts import Interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws that an interval is made from: their number, the level in (0, 1) and the seed."""

    resamples: int
    level: float
    seed: int


def resampled_clips(num_clips: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """`resamples` draws of num_clips clip indices with replacement; the same seed gives the same draws."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(resamples):
        yield generator.integers(num_clips, size=num_clips)


def normal_interval(value: float, draws: Array, level: float, minimum: float) -> Interval:
    """value +- z * standard deviation of the draws, not below `minimum`: for numbers that resampling itself shifts."""
    reach = NormalDist().inv_cdf(0.5 + level / 2) * float(draws.std(ddof=1))
    method = f"bootstrap over clips, {len(draws)} resamples, normal with their standard deviation"
    return Interval(max(value - reach, minimum), value + reach, level, method)


def percentile_interval(draws: Array, level: float) -> Interval:
    """The central `level` of the draws: for means and ratios of means, which resampling does not shift."""
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high), level, f"bootstrap over clips, {len(draws)} resamples, percentiles")


def drawn_statistics(statistic: Callable[..., float], sets: tuple[Array, ...], resampling: Resampling) -> Array | None:
    """The statistic (resamples,) of resampled clips; each set is (clips, ...), drawn by itself.

    None for fewer than 3 clips in a set or fewer than 2 resamples.
    """
    if min(map(len, sets)) < 3 or resampling.resamples < 2:
        return None
    indices = [
        resampled_clips(len(values), resampling.resamples, resampling.seed + number)
        for number, values in enumerate(sets)
    ]
    drawn = (
        statistic(*(values[index] for values, index in zip(sets, draw, strict=True)))
        for draw in zip(*indices, strict=True)
    )
    return np.fromiter(drawn, dtype=np.float64)


def drawn_interval(statistic: Callable[..., float], sets: tuple[Array, ...], resampling: Resampling) -> Interval | None:
    """The percentile interval of `drawn_statistics`; None where there are none."""
    draws = drawn_statistics(statistic, sets, resampling)
    return None if draws is None else percentile_interval(draws, resampling.level)
