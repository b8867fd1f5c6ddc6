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
from exvideo_eval.shares import difference_interval, mcnemar
from exvideo_eval.statistics import (
    Clips,
    Jackknife,
    Resampling,
    Sample,
    Statistic,
    jackknife,
    percentile_interval,
    value_of,
)

Array = NDArray[np.float64]


Contrasts = list[tuple[Metric, ClipValues | None]]


def contrasts_of_sets(
    ours: Sequence[Measure], theirs: Sequence[Measure], reference: str, resampling: Resampling
) -> Contrasts:
    """The contrasts of every measure that two sets both have; see `contrasts`."""
    return [part for pair in _of_both(ours, theirs) for part in contrasts(*pair, reference, resampling)]


def uncontrasted(ours: Sequence[Measure], theirs: Sequence[Measure], reference: str) -> list[str]:
    """Sentences on the measures that `contrasts` has nothing of, each with the numbers of clips that are why."""
    names: dict[str, list[str]] = {}
    for one, other in _of_both(ours, theirs):
        if _common(one, other) is None:
            counts = f"{len(one.clips.values)} and {len(other.clips.values)}"
            shared = len(set(one.clips.sources) & set(other.clips.sources))
            why = (
                f"Each changes with the number of clips, and there are {counts}, of which {shared} are of one name: "
                f"give as many of both sets, or {_fewest_pairs(one, other)} or more of one name."
            )
            names.setdefault(why, []).append(one.name)
    return [f"Not set against the {reference}'s: {'; '.join(those)}. {why}" for why, those in names.items()]


def _of_both(ours: Sequence[Measure], theirs: Sequence[Measure]) -> list[tuple[Measure, Measure]]:
    known = {(item.name, item.features): item for item in theirs}
    pairs = [(item, known.get((item.name, item.features))) for item in ours]
    return [(item, other) for item, other in pairs if other]


def contrasts(ours: Measure, theirs: Measure, reference: str, resampling: Resampling) -> Contrasts:
    """The measure of one set less that of the other, and over it where a ratio means something.

    Args:
        ours, theirs: the same measure of the two sets.
        reference: name of the other set.

    Returns:
        Nothing of a number that changes with that of the clips, where the sets have other numbers and too few pairs.
    """
    common = _common(ours, theirs)
    if common is None:
        return []
    first, second, paired = common
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
    interval = _interval(ours, [first, second, *fixed], found, resampling)
    significance: Significance | None = None
    if ours.interval == WILSON and paired:
        significance = mcnemar(first.values, second.values)
    else:
        pairs = _fewest_pairs(ours, theirs)
        tested = exchange_test(_absolute_difference(ours.of), first, second, resampling, fixed, fewest=pairs)
        significance = tested.significance if tested else None
    difference = replace(one, interval=interval, significance=significance)
    ratio = _ratio(ours, [first, second, *fixed], one, reference, resampling.level)
    return [(difference, values), *([(ratio, None)] if ratio else [])]


def _interval(ours: Measure, sets: Sequence[Clips], found: Jackknife | None, resampling: Resampling) -> Interval | None:
    """Of the difference, in the measure's own manner."""
    if ours.interval == WILSON:
        return difference_interval(sets[0], sets[1], resampling.level)
    if ours.interval == JACKKNIFE:
        return found.interval(resampling.level) if found else None
    return percentile_interval(_difference(ours.of), sets, resampling)


def _ratio(ours: Measure, sets: Sequence[Clips], difference: Metric, reference: str, level: float) -> Metric | None:
    """By the jackknife of its logarithm; None where it means nothing or has no sure sign.

    Nor of shares of which all clips have what they are of, where it would have an interval of no width.
    """
    found = jackknife(_log_ratio(ours.of), sets) if ours.has_ratio else None
    if found is None or (ours.interval == WILSON and found.error == 0):
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


def _common(ours: Measure, theirs: Measure) -> tuple[Clips, Clips, bool] | None:
    """Of sets that share enough source files, the clips of these, at equal places; else both as they are.

    Where these are of other numbers, and the measure changes with that number, they do not compare: None.
    """
    first, second = ours.clips, theirs.clips
    shared = sorted(set(first.sources) & set(second.sources))
    if len(shared) < _fewest_pairs(ours, theirs):
        of_number = ours.fewest is not None and len(first.values) != len(second.values)
        return None if of_number else (first, second, False)
    sides = []
    for clips in (first, second):
        place = {source: index for index, source in reversed(list(enumerate(clips.sources)))}
        sides.append(Clips(clips.values[[place[source] for source in shared]], tuple(shared)))
    return sides[0], sides[1], True


def _fewest_pairs(ours: Measure, theirs: Measure) -> int:
    return max(MIN_UNITS, min(ours.fewest or 0, theirs.fewest or 0))


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
