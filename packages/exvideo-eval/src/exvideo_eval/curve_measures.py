"""From per-frame curves of many clips to a few numbers: how a set moves, keeps and fades, against the real set."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.frame_curves import FrameCurve
from exvideo_eval.measure import JACKKNIFE, Measure, difference_of_means, mean
from exvideo_eval.statistics import Clips, Sample

Array = NDArray[np.float64]

RATIO, MISMATCH, DRIFT = "ratio to real", "mismatch to real", "last quarter over first"


def curve_measures(curve: FrameCurve, clips: Clips, real: Clips) -> list[Measure]:
    """Of a curve (clips, frames): its mean, its ratio and mismatch to the real one, and its drift along the clip.

    No ratio where the real curve is nothing, and no drift where the first quarter is nothing.
    """
    measures = [mean_measure(curve, clips)]
    if real.values.mean() > curve.resolution:
        measures.append(
            Measure(
                curve.name, RATIO, "ratio", "neutral", ratio_to_real(curve), clips, real, difference=difference_of_means
            )
        )
    measures.append(
        Measure(
            quantity=curve.name,
            statistic=MISMATCH,
            unit="octaves",
            better="lower",
            of=mismatch(curve),
            clips=clips,
            clips_of_real=real,
            interval=JACKKNIFE,
            minimum=0.0,
            difference=mismatch(curve),
        )
    )
    if clips.values[:, : quarter(clips)].mean() > curve.resolution:
        measures.append(Measure(curve.name, DRIFT, "ratio", "neutral", drift(curve), clips))
    return measures


def mean_measure(curve: FrameCurve, clips: Clips, better: str = "neutral", has_ratio: bool = True) -> Measure:
    """Mean of a quantity over frames and clips."""
    return Measure(curve.name, "mean", curve.unit, better, mean, clips, is_mean=True, has_ratio=has_ratio)


def ratio_to_real(curve: FrameCurve) -> Callable[[Sample, Sample], Array]:
    """Mean as a multiple of the real mean: 1 is like real."""

    def ratio(sample: Sample, real: Sample) -> Array:
        found: Array = mean(sample) / np.maximum(mean(real), curve.resolution)
        return found

    return ratio


def mismatch(curve: FrameCurve) -> Callable[[Sample, Sample], Array]:
    """Distance of the mean curve from the real one: mean over frames of |log2(mean / real mean)|.

    In octaves: 0 is the real curve, 1 is twice or half of it throughout. Both curves are raised by the quantity's
    resolution, so that a frozen clip has a large and finite mismatch in motion.
    """

    def octaves(sample: Sample, real: Sample) -> Array:
        raised = [side.mean() + curve.resolution for side in (sample, real)]
        found: Array = np.abs(np.log2(raised[0] / raised[1])).mean(axis=1)
        return found

    return octaves


def drift(curve: FrameCurve) -> Callable[[Sample], Array]:
    """Mean over the last quarter of the frames as a multiple of the first quarter's."""

    def late_over_early(sample: Sample) -> Array:
        means = sample.mean()
        frames = quarter(sample)
        early = np.maximum(means[:, :frames].mean(axis=1), curve.resolution)
        found: Array = means[:, -frames:].mean(axis=1) / early
        return found

    return late_over_early


def quarter(clips: Clips | Sample) -> int:
    """Frames of a quarter of curves (clips, frames), 1 at least."""
    return max(1, clips.values.shape[1] // 4)
