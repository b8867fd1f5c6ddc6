"""From per-frame curves of many clips to a few numbers: how a set moves, keeps and fades, against the real set."""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import Resampling, drawn_interval, drawn_statistics, normal_interval
from exvideo_eval.frame_curves import FrameCurve
from exvideo_eval.result_parts import Metric

Array = NDArray[np.float64]


def mean_metric(curve: FrameCurve, values: Array, resampling: Resampling, better: str = "neutral") -> Metric:
    """Mean of a quantity over frames and clips; values (clips, frames)."""
    interval = drawn_interval(lambda drawn: drawn.mean(), (values,), resampling)
    return Metric(curve.name, float(values.mean()), curve.unit, better, n=len(values), interval=interval)


def drift_metric(curve: FrameCurve, values: Array, resampling: Resampling) -> Metric | None:
    """Mean over the last quarter of the frames as a multiple of the first quarter's; None where that is nothing."""
    quarter = max(1, values.shape[1] // 4)

    def late_over_early(drawn: Array) -> float:
        early = float(drawn[:, :quarter].mean())
        return float(drawn[:, -quarter:].mean()) / max(early, curve.resolution)

    if values[:, :quarter].mean() <= curve.resolution:
        return None
    interval = drawn_interval(late_over_early, (values,), resampling)
    name = f"{curve.name}, last quarter over first"
    return Metric(name, late_over_early(values), "ratio", "neutral", n=len(values), interval=interval)


def ratio_metric(curve: FrameCurve, generated: Array, real: Array, resampling: Resampling) -> Metric | None:
    """Generated mean as a multiple of the real mean: 1 is like real; None where the real one is nothing."""

    def ratio(drawn: Array, drawn_real: Array) -> float:
        return float(drawn.mean()) / max(float(drawn_real.mean()), curve.resolution)

    if real.mean() <= curve.resolution:
        return None
    interval = drawn_interval(ratio, (generated, real), resampling)
    name = f"{curve.name}, ratio to real"
    return Metric(name, ratio(generated, real), "ratio", "neutral", n=len(generated), interval=interval)


def mismatch_metric(curve: FrameCurve, generated: Array, real: Array, resampling: Resampling) -> Metric:
    """Distance of the generated mean curve from the real one: mean over frames of |log2(generated / real)|.

    In octaves: 0 is the real curve, 1 is twice or half of it throughout. Both curves are raised by the quantity's
    resolution, so that a frozen clip has a large and finite mismatch in motion.
    """

    def mismatch(drawn: Array, drawn_real: Array) -> float:
        raised = [values.mean(axis=0) + curve.resolution for values in (drawn, drawn_real)]
        return float(np.abs(np.log2(raised[0] / raised[1])).mean())

    value = mismatch(generated, real)
    # Resampling adds noise to both curves, which an absolute difference only adds up: use the draws' spread alone.
    draws = drawn_statistics(mismatch, (generated, real), resampling)
    interval = None if draws is None else normal_interval(value, draws, resampling.level, minimum=0.0)
    name = f"{curve.name}, mismatch to real"
    return Metric(name, value, "octaves", "lower", n=len(generated), interval=interval)
