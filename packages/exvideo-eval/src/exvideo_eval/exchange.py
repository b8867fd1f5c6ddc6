"""Tests of two sets being alike, by exchanging their clips: within pairs, or by shuffling which set is which.

If generated clips were as good as real, each could change places with its twin: so the figure is computed again with
random pairs exchanged (Fisher, The Design of Experiments, 1935). Sets without twins are shuffled whole, source file by
source file, at the numbers they have. The share of draws at least as extreme as the figure itself is the p value, which
counts the figure itself and so is never 0 (Phipson and Smyth, arXiv 1603.05766).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.pairs import MIN_UNITS, Units, parts
from exvideo_eval.result_parts import Significance
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exchange:
    """The outcome: how often chance alone is as extreme, and the mean of the figure under chance alone.

    `num_clips`: of the smaller set, as far as they were exchanged.
    """

    significance: Significance
    null_mean: float
    num_clips: int


def exchange_test(
    statistic: Statistic,
    first: Clips,
    second: Clips,
    resampling: Resampling,
    fixed: Sequence[Clips] = (),
    *,
    fewest: int = 0,
) -> Exchange | None:
    """Tests two sets by a figure that is large where they differ.

    One clip of each source file counts, the first: clips of one file are no samples of their own. Pairs are exchanged
    where at least half of the files of the smaller set have one.

    Args:
        statistic: of the samples of the first set, the second, and those that stay as they are.
        fixed: further sets.
        fewest: pairs that the figure needs; with fewer, all clips are shuffled.

    Returns:
        None for fewer than 3 pairs, or source files of a set, and for fewer than 2 resamples.
    """
    places = [_first_of_each(clips) for clips in (first, second)]
    shared = places[0].keys() & places[1].keys()
    paired = len(shared) >= max(fewest, min(map(len, places)) / 2)
    if paired:
        places = [{source: place[source] for source in sorted(shared)} for place in places]
    if min(map(len, places)) < MIN_UNITS or resampling.resamples < 2:
        return None
    generator = np.random.Generator(np.random.PCG64(resampling.seed))
    exchanged = _swapped if paired else _shuffled
    draws = exchanged(len(places[0]), len(places[1]), resampling.resamples, generator)
    pooled = _pooled(first.values, list(places[0].values()), second.values, list(places[1].values()))
    units = Units.of((*places[0], *places[1]), *(clips.sources for clips in fixed))
    others = [
        Sample(clips.values, np.ones((1, len(clips.values))), of_clips)
        for clips, of_clips in zip(fixed, units.of_clips[1:], strict=True)
    ]
    found = np.concatenate(
        [
            statistic(*(Sample(pooled, weights, units.of_clips[0]) for weights in (of_first, 1 - of_first)), *others)
            for of_first in draws
        ]
    )
    extreme = int((found[1:] >= found[0] - 1e-9 * abs(found[0])).sum())
    name = "swap test within pairs" if paired else "shuffled labels"
    method = f"{name}, {resampling.resamples} draws"
    significance = Significance((1 + extreme) / len(found), method)
    return Exchange(significance, float(found[1:].mean()), min(map(len, places)))


def _swapped(num_first: int, num_second: int, resamples: int, generator: np.random.Generator) -> Iterator[Array]:
    """(1 + resamples, pooled), part after part: which clips are of the first set, the sets as they are first.

    Clips are in pairs.
    """
    assert num_first == num_second
    for rows in parts(1 + resamples, 2 * num_first):
        kept = generator.random((rows.stop - rows.start, num_first)) < 0.5
        kept[0] |= rows.start == 0
        yield np.concatenate([kept, ~kept], axis=1).astype(np.float64)


def _shuffled(num_first: int, num_second: int, resamples: int, generator: np.random.Generator) -> Iterator[Array]:
    """(1 + resamples, pooled), as `_swapped`, of clips without pairs."""
    for rows in parts(1 + resamples, num_first + num_second):
        of_first = np.zeros((rows.stop - rows.start, num_first + num_second))
        of_first[:, :num_first] = 1
        later = slice(1 if rows.start == 0 else 0, None)
        of_first[later] = generator.permuted(of_first[later], axis=1)
        yield of_first


def _first_of_each(clips: Clips) -> dict[str, int]:
    """The place of the first clip of each source file, in the order of the clips."""
    first: dict[str, int] = {}
    for index, source in enumerate(clips.sources):
        first.setdefault(source, index)
    return first


def _pooled(first: Array, of_first: Sequence[int], second: Array, of_second: Sequence[int]) -> Array:
    """Some values of two sets, one after the other, without a copy of either in between."""
    pooled = np.empty((len(of_first) + len(of_second), *first.shape[1:]))
    # In any other mode numpy takes into a buffer first.
    np.take(first, of_first, axis=0, out=pooled[: len(of_first)], mode="clip")
    np.take(second, of_second, axis=0, out=pooled[len(of_first) :], mode="clip")
    return pooled
