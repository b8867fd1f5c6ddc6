"""The figures of all ways: means over clips and seeds, and ratios of the displacement error of two ways."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from exvideo_eval import Metric

from tiny_world.truth.figures import MEASURES, mean_known
from tiny_world.truth.measured_set import MOVING_KINDS, MeasuredSet
from tiny_world.truth.over_seeds import TURNS, mean_metric, measure_named, paired_tables, ratio_metric, table, ways_gone
from tiny_world.world.clip_files import ClipFile

ERROR = "displacement error"
TOLD = (
    ERROR, "trajectory error", "velocity error", "permanence", "shape right", "area error", "colour error",
    "extra bodies", "judged right", "censored",
)  # fmt: skip
SHARE = "displacement, share of the true one"


def metrics_of(way: str, sets: Sequence[MeasuredSet]) -> list[Metric]:
    """Figures of a way.

    Args:
        sets: one a seed, of the same clips.
    """
    told = [measure for measure in MEASURES if measure.name in TOLD]
    found = [mean_metric(f"{one.name}: {way}", one.unit, one.better, table(one, sets)) for one in told]
    turns = np.stack([one.turn_error for one in sets])
    gone, true = (np.stack(part) for part in zip(*map(ways_gone, sets), strict=True))
    return [
        *found,
        mean_metric(f"{TURNS}: {way}", "frames", "lower", turns),
        ratio_metric(f"{SHARE}: {way}", "neutral", gone, true),
    ]


def error_ratio(name: str, sets: Sequence[MeasuredSet], others: Sequence[MeasuredSet]) -> Metric:
    """The displacement error of one way over that of another, seed by seed and clip by clip.

    Args:
        name: of the ratio.
        sets, others: one a seed, in the same order.
    """
    return ratio_metric(name, "lower", *paired_tables(measure_named(ERROR), sets, others))


def errors_by_kind(sets: Sequence[MeasuredSet], real: Sequence[ClipFile]) -> dict[str, float]:
    """The mean displacement error of the clips of each kind of motion that moves, over all seeds.

    Args:
        sets: one a seed, of these clips.
        real: the clips.
    """
    errors = mean_known(table(measure_named(ERROR), sets), 0)
    kinds = np.array([clip.spec.motion.kind for clip in real])
    return {kind: round(float(mean_known(errors[kinds == kind], 0)), 2) for kind in MOVING_KINDS}


def errors_by_seed(sets: Sequence[MeasuredSet]) -> list[float]:
    """The mean displacement error of each seed's clips.

    Args:
        sets: one a seed, of the same clips.
    """
    return [round(float(mean_known(of_a_seed, 0)), 2) for of_a_seed in table(measure_named(ERROR), sets)]


def as_json(metric: Metric) -> dict[str, Any]:
    """A metric's value, bounds and number of clips, to four digits."""
    bounds = () if metric.interval is None else (metric.interval.low, metric.interval.high)
    value, *interval = (float(f"{number:.4g}") for number in (metric.value, *bounds))
    return {"value": value, "interval": interval, "clips": metric.n, "unit": metric.unit}


def by_name(metrics: Sequence[Metric]) -> Mapping[str, dict[str, Any]]:
    """`as_json` of each, by its name."""
    return {metric.name: as_json(metric) for metric in metrics}
