"""Distances of a set's features from the real ones, with all that they do not see beside them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.clip_set import ClipSet
from exvideo_eval.exchange import Exchange
from exvideo_eval.measure import JACKKNIFE, Measure
from exvideo_eval.metrics.frechet import FeatureStatistics
from exvideo_eval.projection import Projection, require_filled
from exvideo_eval.result_parts import Curve, Metric
from exvideo_eval.set_distances import frechet, frechet_by_window, kernel_distance, squared_shift
from exvideo_eval.statistics import Sample

Array = NDArray[np.float64]

UNIT = "squared feature units"
FRECHET, KERNEL, SHIFT = "Fréchet distance", "kernel distance", "shift of the mean off the axes"
VARIANCE = "variance on the axes"


def axes_of(real: ClipSet, dimension: int) -> Projection:
    """The leading axes of the real clips' windows.

    Raises:
        ValueError: a feature is not finite; the dimension is more than the features have.
    """
    return Projection.fit(FeatureStatistics.of(_flat(real)), dimension)


def distance_measures(clips: ClipSet, real: ClipSet, features: str, axes: Projection) -> list[Measure]:
    """Fréchet distance on the axes, shift of the mean off them, and a kernel distance on all features.

    Raises:
        ValueError: there are fewer than two clips a dimension.
    """
    dimension = axes.axes.shape[1]
    require_filled(min(clips.num_clips, real.num_clips), dimension)
    # Axes of one set favour it: for the test, in which clips change places, they are those of both.
    both = Projection.fit(FeatureStatistics.of(np.concatenate([_flat(clips), _flat(real)])), dimension)
    on, off, on_both = (
        [each.of_clips(part(each.window_features())) for each in (clips, real)] for part in (axes, axes.rest, both)
    )
    return [
        Measure(
            quantity=f"{FRECHET}, {features} features",
            statistic="value",
            unit=UNIT,
            better="lower",
            of=frechet,
            clips=on[0],
            clips_of_real=on[1],
            features=features,
            dimension=dimension,
            interval=JACKKNIFE,
            minimum=0.0,
            difference=frechet,
            tested=(on_both[0], on_both[1]),
        ),
        Measure(
            quantity=f"{SHIFT}, {features} features",
            statistic="value",
            unit=UNIT,
            better="lower",
            of=squared_shift,
            clips=off[0],
            clips_of_real=off[1],
            features=features,
            dimension=dimension,
            interval=JACKKNIFE,
            difference=squared_shift,
            has_ratio=False,
        ),
        kernel_measure(clips, real, features),
    ]


def kernel_measure(clips: ClipSet, real: ClipSet, features: str) -> Measure:
    """The unbiased kernel distance on all features, which asks for no number of clips."""
    features_of_clips = clips.window_features()
    return Measure(
        quantity=f"{KERNEL}, {features} features",
        statistic="value",
        unit="",
        better="lower",
        of=kernel_distance,
        clips=clips.of_clips(features_of_clips),
        clips_of_real=real.of_clips(real.window_features()),
        features=features,
        dimension=features_of_clips.shape[2],
        interval=JACKKNIFE,
        difference=kernel_distance,
        has_ratio=False,
    )


def beside_the_distance(
    clips: ClipSet, real: ClipSet, measure: Measure, axes: Projection, exchange: Exchange | None
) -> list[Metric]:
    """The mean distance of sets that are alike, at these numbers of clips; and the shares of variance on the axes."""
    found = []
    shared = (measure.features, measure.dimension)
    if exchange is not None:
        name = f"{measure.name}, if alike"
        null = exchange.null_mean
        metric = Metric(name, null, UNIT, "neutral", measure.clips.values.shape[0], shared[1], shared[0])
        found.append(_with(metric, measure.quantity, "mean of exchanged sets"))
    for each, of, ending in ((clips, "", ""), (real, "real", ", real clips")):
        share = axes.share_of_variance(each.window_features())
        quantity = f"{VARIANCE}, {measure.features} features"
        metric = Metric(quantity + ending, share, "share", "neutral", each.num_clips, shared[1], shared[0])
        found.append(_with(metric, quantity, "share", of))
    return found


def distance_curve(measure: Measure, starts: Sequence[int]) -> Curve:
    """The Fréchet distance window by window, by the first frame of each; where a clip leaves the real ones."""
    samples = [
        Sample(each.values, np.ones((1, len(each.values))), np.arange(len(each.values))) for each in measure.sets
    ]
    (distances,) = frechet_by_window(*samples)
    return Curve(measure.name, UNIT, "first frame of the window", tuple(starts), tuple(distances), "lower", "generated")


def _with(metric: Metric, quantity: str, statistic: str, of: str = "") -> Metric:
    return Metric(**{**vars(metric), "quantity": quantity, "statistic": statistic, "of": of})


def _flat(clips: ClipSet) -> Array:
    """(clips * windows, dimension)"""
    features = clips.window_features()
    return features.reshape(-1, features.shape[-1])
