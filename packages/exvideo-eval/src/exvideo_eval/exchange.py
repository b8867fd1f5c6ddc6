"""Tests of two sets being alike, by exchanging their clips: within pairs, or by shuffling which set is which.

If generated clips were as good as real, each could change places with its twin: so the figure is computed again with
random pairs exchanged (Fisher, The Design of Experiments, 1935). Sets without twins are shuffled whole, source file by
source file, at the numbers they have. The share of draws at least as extreme as the figure itself is the p value, which
counts the figure itself and so is never 0 (Phipson and Smyth, arXiv 1603.05766).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.pairs import MIN_UNITS, Units
from exvideo_eval.result_parts import Significance
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exchange:
    """The outcome: how often chance alone is as extreme, and the mean of the figure under chance alone."""

    significance: Significance
    null_mean: float


def exchange_test(
    statistic: Statistic, first: Clips, second: Clips, resampling: Resampling, fixed: Sequence[Clips] = ()
) -> Exchange | None:
    """Tests two sets by a figure that is large where they differ.

    One clip of each source file counts, the first: clips of one file are no samples of their own. Pairs are exchanged
    where at least half of the files of the smaller set have one.

    Args:
        statistic: of the samples of the first set, the second, and those that stay as they are.
        fixed: further sets.

    Returns:
        None for fewer than 3 pairs, or source files of a set, and for fewer than 2 resamples.
    """
    first, second = _first_of_each(first), _first_of_each(second)
    shared = set(first.sources) & set(second.sources)
    paired = 2 * len(shared) >= min(len(first.sources), len(second.sources))
    if paired:
        first, second = _only(first, shared), _only(second, shared)
    if min(len(first.sources), len(second.sources)) < MIN_UNITS or resampling.resamples < 2:
        return None
    generator = np.random.Generator(np.random.PCG64(resampling.seed))
    exchanged = _swapped if paired else _shuffled
    of_first = exchanged(len(first.sources), len(second.sources), resampling.resamples, generator)
    pooled = np.concatenate([first.values, second.values])
    units = Units.of((*first.sources, *second.sources), *(clips.sources for clips in fixed))
    samples = [Sample(pooled, weights, units.of_clips[0]) for weights in (of_first, 1 - of_first)]
    others = [
        Sample(clips.values, np.ones((1, len(clips.values))), of_clips)
        for clips, of_clips in zip(fixed, units.of_clips[1:], strict=True)
    ]
    found = statistic(*samples, *others)
    extreme = int((found[1:] >= found[0] - 1e-9 * abs(found[0])).sum())
    name = "swap test within pairs" if paired else "shuffled labels"
    method = f"{name}, {resampling.resamples} draws"
    return Exchange(Significance((1 + extreme) / len(found), method), float(found[1:].mean()))


def _swapped(num_first: int, num_second: int, resamples: int, generator: np.random.Generator) -> Array:
    """(1 + resamples, pooled): which clips are of the first set, the sets as they are first; clips are in pairs."""
    assert num_first == num_second
    kept = generator.random((1 + resamples, num_first)) < 0.5
    kept[0] = True
    return np.concatenate([kept, ~kept], axis=1).astype(np.float64)


def _shuffled(num_first: int, num_second: int, resamples: int, generator: np.random.Generator) -> Array:
    """(1 + resamples, pooled), as `_swapped`, of clips without pairs."""
    of_first = np.zeros((1 + resamples, num_first + num_second))
    of_first[:, :num_first] = 1
    of_first[1:] = generator.permuted(of_first[1:], axis=1)
    return of_first


def _first_of_each(clips: Clips) -> Clips:
    _, first = np.unique(np.array(clips.sources, dtype=str), return_index=True)
    mask = np.zeros(len(clips.sources), dtype=bool)
    mask[first] = True
    return clips.where(mask)


def _only(clips: Clips, sources: set[str]) -> Clips:
    """Those of the sources, in the order of these, so that pairs stand at one place."""
    order = sorted(range(len(clips.sources)), key=clips.sources.__getitem__)
    chosen = [index for index in order if clips.sources[index] in sources]
    return Clips(clips.values[chosen], tuple(clips.sources[index] for index in chosen))
