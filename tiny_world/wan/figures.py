"""The figures of all ways: means over clips and seeds, and ratios of the displacement error of two ways.

A clip takes part in a figure if it has a value for every seed; in a ratio, if it has one for every seed of both, by the
frames in which both have one. The first frame is given, and in no figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_eval import Interval, Metric
from numpy.typing import NDArray
from torch import from_numpy

from tiny_world.truth.figures import MEASURES, Measure, mean_known
from tiny_world.truth.measured_set import MOVING_KINDS, MeasuredSet, measure
from tiny_world.wan.statistics import mean_interval, ratio_interval
from tiny_world.world.clip_files import ClipFile

Array = NDArray[np.float64]

ERROR = "displacement error"
TOLD = (
    ERROR, "trajectory error", "velocity error", "permanence", "shape right", "area error", "colour error",
    "extra bodies", "judged right", "censored",
)  # fmt: skip
SHARE = "displacement, share of the true one"
TURNS = "turn timing error"
CURVES = "curves.safetensors"


def measured(folder: Path, real: Sequence[ClipFile]) -> MeasuredSet:
    """A folder of clips as the tracker sees it, kept in a file beside them: remove that where clips are made anew."""
    path = folder / CURVES
    if not path.exists():
        found = measure(folder.name, folder, real)
        tensors = {name: from_numpy(values) for name, values in found.curves.items()}
        write_safetensors(path, tensors | {TURNS: from_numpy(found.turn_error)}, {})
    curves = {name: tensor.numpy() for name, tensor in read_safetensors(path)[0].items()}
    turns = curves.pop(TURNS)
    return MeasuredSet(
        folder.name, folder, tuple(clip.path.name for clip in real), curves["displacement"].shape[1], curves, turns
    )


def metrics_of(way: str, sets: Sequence[MeasuredSet]) -> list[Metric]:
    """Figures of a way.

    Args:
        sets: one a seed, of the same clips.
    """
    told = [measure for measure in MEASURES if measure.name in TOLD]
    found = [_mean(f"{one.name}: {way}", one.unit, one.better, _table(one, sets)) for one in told]
    turns = np.stack([one.turn_error for one in sets])
    gone, true = (np.stack(part) for part in zip(*map(_ways_gone, sets), strict=True))
    return [
        *found,
        _mean(f"{TURNS}: {way}", "frames", "lower", turns),
        _ratio(f"{SHARE}: {way}", "neutral", gone, true),
    ]


def error_ratio(name: str, sets: Sequence[MeasuredSet], others: Sequence[MeasuredSet]) -> Metric:
    """The displacement error of one way over that of another, seed by seed and clip by clip.

    Args:
        name: of the ratio.
        sets, others: one a seed, in the same order.
    """
    of = next(measure for measure in MEASURES if measure.name == ERROR)
    sides: tuple[list[Array], list[Array]] = ([], [])
    for one, other in zip(sets, others, strict=True):
        ours, theirs = (of.of(known.curves)[:, 1:] for known in (one, other))
        in_both = np.isfinite(ours) & np.isfinite(theirs)
        for side, curve in zip(sides, (ours, theirs), strict=True):
            side.append(mean_known(np.where(in_both, curve, np.nan), 1))
    return _ratio(name, "lower", *map(np.stack, sides))


def errors_by_kind(sets: Sequence[MeasuredSet], real: Sequence[ClipFile]) -> dict[str, float]:
    """The mean displacement error of the clips of each kind of motion that moves, over all seeds.

    Args:
        sets: one a seed, of these clips.
        real: the clips.
    """
    of = next(measure for measure in MEASURES if measure.name == ERROR)
    errors = mean_known(_table(of, sets), 0)
    kinds = np.array([clip.spec.motion.kind for clip in real])
    return {kind: round(float(mean_known(errors[kinds == kind], 0)), 2) for kind in MOVING_KINDS}


def as_json(metric: Metric) -> dict[str, Any]:
    """A metric's value, bounds and number of clips, to four digits."""
    bounds = () if metric.interval is None else (metric.interval.low, metric.interval.high)
    value, *interval = (float(f"{number:.4g}") for number in (metric.value, *bounds))
    return {"value": value, "interval": interval, "clips": metric.n, "unit": metric.unit}


def by_name(metrics: Sequence[Metric]) -> Mapping[str, dict[str, Any]]:
    """`as_json` of each, by its name."""
    return {metric.name: as_json(metric) for metric in metrics}


def _table(of: Measure, sets: Sequence[MeasuredSet]) -> Array:
    return np.stack([mean_known(of.of(one.curves)[:, 1:], 1) for one in sets])


def _ways_gone(one: MeasuredSet) -> tuple[Array, Array]:
    """All the way that was gone, and that should have been, a clip."""
    gone, true = (one.curves[name][:, 1:] for name in ("displacement", "true_displacement"))
    known = np.isfinite(gone) & np.isfinite(true)
    totals = [np.where(known.any(axis=1), np.where(known, way, 0.0).sum(axis=1), np.nan) for way in (gone, true)]
    return totals[0], totals[1]


def _mean(name: str, unit: str, better: str, values: Array) -> Metric:
    known = values[:, np.isfinite(values).all(axis=0)]
    interval = mean_interval(known) if _is_enough(known) else None
    return Metric(name, float(known.mean()), unit, better, n=known.shape[1], interval=interval)


def _ratio(name: str, better: str, values: Array, others: Array) -> Metric:
    known = (np.isfinite(values) & np.isfinite(others)).all(axis=0)
    sides = values[:, known], others[:, known]
    interval: Interval | None = ratio_interval(*sides) if _is_enough(sides[0]) else None
    value = float(sides[0].mean() / sides[1].mean())
    return Metric(name, value, "ratio", better, n=int(known.sum()), interval=interval)


def _is_enough(values: Array) -> bool:
    """True if there are seeds and clips to draw: the real files are one set."""
    return min(values.shape) > 1
