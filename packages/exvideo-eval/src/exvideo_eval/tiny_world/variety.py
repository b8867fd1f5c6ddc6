"""The kinds of clips that the tiny world's judge tells apart in a set, one property at a time.

    exp( mean over clips of KL( p(y | clip) || p(y) ) )

with p(y) the mean of p(y | clip): 1 where all clips look alike or nothing is told, and at most the number of the
property's classes, for clips that are each surely of one and evenly of all. It is built as the Inception score is
(arXiv 1606.03498), on another network. Fewer clips show fewer kinds: compare equal numbers of clips.
"""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.measure import JACKKNIFE, Measure
from exvideo_eval.statistics import Clips, Sample
from exvideo_eval.tiny_world import JUDGES

Array = NDArray[np.float64]


def kinds_told_apart(sample: Sample) -> Array:
    """(draws,), >= 1, of probabilities (clips, classes)."""
    entropies = Sample(_entropy(sample.values), sample.weights, sample.units).mean()
    information = np.maximum(_entropy(sample.mean()) - entropies, 0.0)
    kinds: Array = np.exp(information)
    return kinds


def variety_measure(name: str, probabilities: Clips) -> Measure:
    """Of one property, such as "shape", from its probabilities (clips, classes)."""
    quantity, most = f"kinds of {name} told apart, {JUDGES}", probabilities.values.shape[1]
    # Clips drawn twice make a set less varied.
    return Measure(
        quantity=quantity,
        statistic="value",
        unit=f"kinds of {most}",
        better="higher",
        of=kinds_told_apart,
        clips=probabilities,
        features=JUDGES,
        interval=JACKKNIFE,
        minimum=1.0,
        fewest=1,
    )


def at_equal_number(first: Clips, second: Clips) -> tuple[Clips, Clips]:
    """Both sets at the number of clips of the smaller; of the larger, clips with a twin first, in their order."""
    count = min(len(first.sources), len(second.sources))
    return _first(count, first, second), _first(count, second, first)


def _first(count: int, clips: Clips, other: Clips) -> Clips:
    twins = set(other.sources)
    order = sorted(range(len(clips.sources)), key=lambda index: clips.sources[index] not in twins)[:count]
    return Clips(clips.values[order], tuple(clips.sources[index] for index in order))


def _entropy(probabilities: Array) -> Array:
    """In nats, over the last axis; a class of no probability adds nothing."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropy: Array = -(probabilities * logarithms).sum(axis=-1)
    return entropy
