"""One set against another by a measure of both: the difference and the ratio, over the clips that both have."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.exchange import exchange_test
from exvideo_eval.measure import JACKKNIFE, WILSON, Measure
from exvideo_eval.pairs import MIN_UNITS
from exvideo_eval.result_parts import PSEUDO_VALUE, ClipValues, Interval, Metric, Significance
from exvideo_eval.shares import mcnemar, paired_interval
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic, jackknife, percentile_interval, value_of

Array = NDArray[np.float64]


Contrasts = list[tuple[Metric, ClipValues | None]]


def contrasts_of_sets(
    ours: Sequence[Measure], theirs: Sequence[Measure], reference: str, resampling: Resampling
) -> Contrasts:
    """The contrasts of every measure that two sets both have; see `contrasts`."""
    known = {(item.name, item.features): item for item in theirs}
    pairs = [(item, known.get((item.name, item.features))) for item in ours]
    return [part for item, other in pairs if other for part in contrasts(item, other, reference, resampling)]


def contrasts(ours: Measure, theirs: Measure, reference: str, resampling: Resampling) -> Contrasts:
    """The measure of one set less that of the other, and over it where a ratio means something.

    Args:
        ours, theirs: the same measure of the two sets.
        reference: name of the other set.
    """
    first, second, paired = _common(ours.clips, theirs.clips)
    fixed = [] if ours.clips_of_real is None else [ours.clips_of_real]
    one = Metric(
        name=f"{ours.name}, difference to {reference}",
        value=value_of(_difference(ours.of), [first, second, *fixed]),
        unit=ours.unit,
        better=ours.better,
        n=len(first.values),
        dimension=ours.dimension,
        features=ours.features,
        quantity=ours.quantity,
        statistic=ours.statistic,
        contrast=f"difference to {reference}",
    )
    found = jackknife(_difference(ours.of), [first, second, *fixed])
    values = None
    if found is not None:
        parts = (found.sources, found.sources, tuple(found.pseudo_values.tolist()))
        values = ClipValues(one.name, one.features, PSEUDO_VALUE, *parts)
    if resampling.resamples < 2:
        return [(one, values)]
    if ours.interval == WILSON and paired:
        interval: Interval | None = paired_interval(first.values, second.values, resampling.level)
        significance: Significance | None = mcnemar(first.values, second.values)
    else:
        interval = found.interval(resampling.level) if found else None
        if ours.interval != JACKKNIFE:
            interval = percentile_interval(_difference(ours.of), [first, second, *fixed], resampling)
        tested = exchange_test(_absolute_difference(ours.of), first, second, resampling, fixed)
        significance = tested.significance if tested else None
    difference = replace(one, interval=interval, significance=significance)
    ratio = _ratio(ours, [first, second, *fixed], one, reference, resampling.level)
    return [(difference, values), *([(ratio, None)] if ratio else [])]


def _ratio(ours: Measure, sets: Sequence[Clips], difference: Metric, reference: str, level: float) -> Metric | None:
    """By the jackknife of its logarithm; None where it means nothing or has no sure sign."""
    found = jackknife(_log_ratio(ours.of), sets) if ours.has_ratio else None
    if found is None:
        return None
    bounds = found.interval(level)
    interval = Interval(math.exp(bounds.low), math.exp(bounds.high), level, f"{bounds.method}, of the logarithm")
    name = f"{ours.name}, ratio to {reference}"
    return replace(
        difference,
        name=name,
        value=math.exp(found.value),
        unit="ratio",
        better=ours.better,
        interval=interval,
        contrast=f"ratio to {reference}",
    )


def _common(first: Clips, second: Clips) -> tuple[Clips, Clips, bool]:
    """Of sets that share 3 source files, the clips of those that both have, at equal places; else both as they are."""
    shared = sorted(set(first.sources) & set(second.sources))
    if len(shared) < MIN_UNITS:
        return first, second, False
    sides = []
    for clips in (first, second):
        place = {source: index for index, source in reversed(list(enumerate(clips.sources)))}
        sides.append(Clips(clips.values[[place[source] for source in shared]], tuple(shared)))
    return sides[0], sides[1], True


def _difference(of: Statistic) -> Statistic:
    def difference(first: Sample, second: Sample, *fixed: Sample) -> Array:
        return of(first, *fixed) - of(second, *fixed)

    return difference


def _absolute_difference(of: Statistic) -> Statistic:
    return lambda *samples: np.abs(_difference(of)(*samples))


def _log_ratio(of: Statistic) -> Statistic:
    def log_ratio(first: Sample, second: Sample, *fixed: Sample) -> Array:
        one, other = of(first, *fixed), of(second, *fixed)
        known = (one > 0) & (other > 0)
        return np.where(known, np.log(np.where(known, one, 1.0)) - np.log(np.where(known, other, 1.0)), np.nan)

    return log_ratio
