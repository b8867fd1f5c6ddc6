"""From curves to numbers: means over frames for each clip, then over clips, with intervals from drawing clips again.

Of velocity there is the median frame besides: a subject that is lost and found elsewhere crosses the picture in one
step, and a few such steps outweigh all others in the mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from exvideo_eval import Interval, Metric, Resampling, ratio_interval
from numpy.typing import NDArray

from tiny_world.truth.measured_set import MeasuredSet

Array = NDArray[np.float64]

RESAMPLING = Resampling(resamples=1000, level=0.95, seed=0)
BASE_FRAMES = 8  # what the base was made for: what comes after is the extension's own ground
# The first frame is given, and so no figure of any model's.
SPANS = {
    "": slice(1, None),
    f", frames 1 to {BASE_FRAMES - 1}": slice(1, BASE_FRAMES),
    f", from frame {BASE_FRAMES} on": slice(BASE_FRAMES, None),
}


@dataclass(frozen=True)
class Measure:
    """A curve of the report: `of` makes it, (clips, frames), from a set's curves."""

    name: str
    unit: str
    better: str
    of: Callable[[Mapping[str, Array]], Array]


MEASURES = (
    Measure("displacement", "pixels", "neutral", lambda curves: curves["displacement"]),
    Measure(
        "displacement error",
        "pixels",
        "lower",
        lambda curves: abs(curves["displacement"] - curves["true_displacement"]),
    ),
    Measure("trajectory error", "pixels", "lower", lambda curves: curves["trajectory_error"]),
    Measure("velocity error", "pixels a frame", "lower", lambda curves: curves["velocity_error"]),
    Measure("permanence", "share", "higher", lambda curves: curves["permanence"]),
    Measure("area ratio", "ratio", "neutral", lambda curves: curves["area_ratio"]),
    Measure("area error", "share", "lower", lambda curves: abs(curves["area_ratio"] - 1)),
    Measure("colour error", "RGB distance", "lower", lambda curves: curves["colour_error"]),
    Measure("shape right", "share", "higher", lambda curves: curves["shape_right"]),
    Measure("shape overlap", "share", "higher", lambda curves: curves["shape_overlap"]),
    Measure("censored", "share", "lower", lambda curves: curves["censored"]),
    Measure("recoloured", "share", "lower", lambda curves: curves["recoloured"]),
    Measure("extra bodies", "bodies a frame", "lower", lambda curves: curves["extra_bodies"]),
    Measure("judged right", "share", "higher", lambda curves: curves["judged_right"]),
)


@dataclass(frozen=True)
class Figure:
    """A number that every clip has a part in: sum(values) / sum(weights) over the clips that have both.

    `values` and `weights` are (clips,), NaN for a clip that has nothing to say; of a mean, the weights are 1.
    """

    name: str
    unit: str
    better: str
    values: Array
    weights: Array

    def metric(self) -> Metric | None:
        """With its interval, if there are 3 clips; None if no clip has a value."""
        known = np.isfinite(self.values)
        if not known.any():
            return None
        parts = self.values[known], self.weights[known]
        interval = ratio_interval(*parts, RESAMPLING)
        value = float(parts[0].sum() / parts[1].sum())
        return Metric(self.name, value, self.unit, self.better, n=int(known.sum()), interval=interval)


@dataclass(frozen=True)
class Difference:
    """One set's figure less the other's, over the clips that have a value in both; no interval for fewer than 3."""

    figure: str
    unit: str
    better: str
    value: float
    clips: int
    interval: Interval | None

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the interval leaves no doubt, else "undecided"."""
        if self.interval is None or self.interval.low <= 0 <= self.interval.high:
            return "undecided"
        return "better" if (self.value > 0) == (self.better == "higher") else "worse"


def figures(measured: MeasuredSet) -> list[Figure]:
    """Every figure of a set: each measure and the displacement ratio over each span, and the timing of turns."""
    found = []
    for measure, suffix, join in _told():
        curve = measure.of(measured.curves)
        for span, frames in SPANS.items():
            values = join(curve[:, frames], 1)
            name = measure.name + suffix + span
            found.append(Figure(name, measure.unit, measure.better, values, np.ones_like(values)))
    found += [_displacement_ratio(measured, span) for span in SPANS]
    ones = np.ones_like(measured.turn_error)
    return [*found, Figure("turn timing error", "frames", "lower", measured.turn_error, ones)]


def differences(measured: MeasuredSet, reference: MeasuredSet) -> list[Difference]:
    """Differences between two sets, for measures that have a better end.

    The clips must be the same, in the same order. A clip counts with the frames in which both sets have a value: a
    subject that was lost early must not be judged by its good beginning alone.
    """
    common = min(measured.num_frames, reference.num_frames)
    own, other = measured.first(common), reference.first(common)
    gaps = {"turn timing error": ("frames", "lower", own.turn_error - other.turn_error)}
    for measure, suffix, join in _told():
        if measure.better != "neutral":
            ours, theirs = measure.of(own.curves), measure.of(other.curves)
            in_both = np.isfinite(ours) & np.isfinite(theirs)
            for span, frames in SPANS.items():
                sides = [join(np.where(in_both, curve, np.nan)[:, frames], 1) for curve in (ours, theirs)]
                gaps[measure.name + suffix + span] = measure.unit, measure.better, sides[0] - sides[1]
    return [
        difference_of(name, unit, better, gap[np.isfinite(gap)])
        for name, (unit, better, gap) in gaps.items()
        if np.isfinite(gap).any()
    ]


def mean_known(values: Array, axis: int) -> Array:
    """The mean of the values that are finite; NaN where none is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def median_known(values: Array, axis: int) -> Array:
    """The median of the values that are finite; NaN where none is."""
    if values.shape[axis] == 0:
        return mean_known(values, axis)
    nothing = ~np.isfinite(values).any(axis=axis)
    middle = np.nanmedian(np.where(np.expand_dims(nothing, axis), 0.0, values), axis=axis)
    return np.where(nothing, np.nan, middle)


def _told() -> Sequence[tuple[Measure, str, Callable[[Array, int], Array]]]:
    """Each measure, a suffix to its name, and how its frames are joined."""
    medians = [(measure, ", median frame", median_known) for measure in MEASURES if measure.name == "velocity error"]
    return [(measure, "", mean_known) for measure in MEASURES] + medians


def difference_of(name: str, unit: str, better: str, gaps: Array) -> Difference:
    """Of one set's clips less the other's, (clips,) without NaN."""
    interval = ratio_interval(gaps, np.ones_like(gaps), RESAMPLING)
    return Difference(name, unit, better, float(gaps.mean()), len(gaps), interval)


def _displacement_ratio(measured: MeasuredSet, span: str) -> Figure:
    """All the way that was gone over all that should have been: a mean of ratios would be that of the slowest clips."""
    gone, true = (measured.curves[name][:, SPANS[span]] for name in ("displacement", "true_displacement"))
    known = np.isfinite(gone) & np.isfinite(true)
    totals = [np.where(known, way, 0.0).sum(axis=1) for way in (gone, true)]
    values, weights = (np.where(known.any(axis=1), total, np.nan) for total in totals)
    return Figure(f"displacement ratio{span}", "ratio", "neutral", values, weights)
