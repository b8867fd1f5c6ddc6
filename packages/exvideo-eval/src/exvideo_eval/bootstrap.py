"""How far a number would move with other clips: whole clips are drawn again, with replacement, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.results import Interval


def resampled_clips(num_clips: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """`resamples` draws of num_clips clip indices with replacement; the same seed gives the same draws."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(resamples):
        yield generator.integers(num_clips, size=num_clips)


def normal_interval(value: float, draws: NDArray[np.float64], level: float, lowest: float) -> Interval:
    """value +- z * standard deviation of the draws, not below `lowest`: for numbers that resampling itself shifts."""
    reach = NormalDist().inv_cdf(0.5 + level / 2) * float(draws.std(ddof=1))
    method = f"bootstrap over clips, {len(draws)} resamples, normal with their standard deviation"
    return Interval(max(value - reach, lowest), value + reach, level, method)


def percentile_interval(draws: NDArray[np.float64], level: float) -> Interval:
    """The central `level` of the draws: for means and ratios of means, which resampling does not shift."""
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high), level, f"bootstrap over clips, {len(draws)} resamples, percentiles")
