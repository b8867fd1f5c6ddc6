"""Distances of clips as measures: clips can be left out, and change places with a baseline's.

So a protocol's distance has what every measure has: an interval, and beside a baseline a difference with its own, a
swap test, a ratio. The figures themselves stay what the protocol makes of all its clips.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.measure import JACKKNIFE, Measure
from exvideo_eval.pairs import source_of
from exvideo_eval.protocols.definition import CLIP, Protocol
from exvideo_eval.protocols.extraction import SetFeatures
from exvideo_eval.protocols.samples import samples_of, taken_of
from exvideo_eval.protocols.statistics import FrechetByFrame, FrechetDistance, PolynomialDistance
from exvideo_eval.statistics import Clips, Sample, Statistic

Array = NDArray[np.float64]

# Of a set. Each draw is the whole distance again: beyond these, whose clips decide more, they take hours.
MOST_CLIPS = 512


def clip_distance(
    protocol: Protocol, name: str, network: str, sets: Sequence[SetFeatures], *, seed: int, allow_fewer: bool
) -> Measure | None:
    """The distance of a set from the real clips as a measure.

    Args:
        name: of the metric.
        network: name of the network that gave the features.
        sets: real clips, and those that are judged.

    Returns:
        None where clips are no samples (all pictures of all clips are, or subsets of them), and for more than
        `MOST_CLIPS` of a set.
    """
    kind = protocol.statistic
    if not isinstance(kind, FrechetDistance | PolynomialDistance | FrechetByFrame):
        return None
    by_frame = isinstance(kind, FrechetByFrame)
    if protocol.features.sample != CLIP and not by_frame:
        return None
    if max(len(found.files) for found in sets) > MOST_CLIPS:
        return None
    real, judged = (_clips(protocol, found, seed=seed, allow_fewer=allow_fewer) for found in sets)
    return Measure(
        quantity=name,
        statistic="mean" if by_frame else "value",
        unit=kind.unit,
        better=kind.better,
        of=_distance(kind, seed),
        clips=judged,
        clips_of_real=real,
        features=network,
        interval=JACKKNIFE,
        minimum=-np.inf if isinstance(kind, PolynomialDistance) and kind.unbiased else 0.0,
        fewest=len(judged.values),
    )


def _clips(protocol: Protocol, found: SetFeatures, *, seed: int, allow_fewer: bool) -> Clips:
    """Values (clips, frames, dimension), of one frame where a clip is one sample."""
    values = samples_of(protocol, found, seed=seed, allow_fewer=allow_fewer)
    taken = taken_of(protocol, found, len(found.files), seed)
    sources = tuple(source_of(file) for file, counts in zip(found.files, taken, strict=True) if counts)
    return Clips(values if values.ndim == 3 else values[:, None], sources)


def _distance(kind: FrechetDistance | PolynomialDistance | FrechetByFrame, seed: int) -> Statistic:
    """The distance of draws that leave clips out or exchange them: weights are 0 and 1, and none is drawn twice."""

    def distance(judged: Sample, real: Sample) -> Array:
        draws = np.broadcast_shapes(judged.weights.shape[:1], real.weights.shape[:1])[0]
        return np.array([_of_draw(judged, real, draw) for draw in range(draws)])

    def _of_draw(judged: Sample, real: Sample, draw: int) -> float:
        kept = [each.values[each.weights[draw % len(each.weights)] > 0] for each in (real, judged)]
        values = [kind(kept[0][:, frame], kept[1][:, frame], seed).value for frame in range(kept[0].shape[1])]
        return float(np.mean(values))

    return distance
