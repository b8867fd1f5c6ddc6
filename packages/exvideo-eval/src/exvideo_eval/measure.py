"""A measure of a set of clips: from values of each clip to a metric with its interval, its test and its parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.exchange import Exchange, exchange_test
from exvideo_eval.result_parts import PSEUDO_VALUE, VALUE, ClipValues, Interval, Metric
from exvideo_eval.shares import difference_interval, share_interval
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic, jackknife, percentile_interval, value_of

Array = NDArray[np.float64]

PERCENTILES, JACKKNIFE, WILSON = "percentiles", "jackknife", "Wilson"


@dataclass(frozen=True)
class Measure:
    """One number of a set, and all that can be said of it.

    Args:
        quantity, statistic, unit, better, features, dimension: as of `Metric`.
        of: from the set's sample, and the real clips' where `clips_of_real` is given, to a number a draw.
        clips: of the set; without the clips that have no value.
        clips_of_real: of the real clips, if the number is a comparison with them.
        interval: "percentiles", or "jackknife" of what drawing clips again shifts, or "Wilson" of a share of
            clips, values (clips,) 0 or 1, and of the difference of two.
        minimum: that the number cannot be below.
        fewest: clips that a number needs that changes with how many there are, and so compares at equal numbers only;
            None for one that does not.
        difference: of two samples, by which they are tested for being alike: large where they differ. None for no test.
        tested: gives the set's and the real clips, if `difference` takes others than `of`.
        is_mean: the number is the mean of its clips' values (over frames).
        has_ratio: a ratio of two such numbers means something.
    """

    quantity: str
    statistic: str
    unit: str
    better: str
    of: Statistic
    clips: Clips
    clips_of_real: Clips | None = None
    features: str | None = None
    dimension: int | None = None
    interval: str = PERCENTILES
    minimum: float = -np.inf
    fewest: int | None = None
    difference: Statistic | None = None
    tested: Callable[[], tuple[Clips, Clips]] | None = None
    is_mean: bool = False
    has_ratio: bool = True

    @property
    def name(self) -> str:
        """For people: the quantity, and the statistic where it is no plain one."""
        return self.quantity if self.statistic in ("mean", "share", "value") else f"{self.quantity}, {self.statistic}"

    @property
    def sets(self) -> list[Clips]:
        """The clips that the number is of: the set's, and real ones."""
        return [self.clips, *([] if self.clips_of_real is None else [self.clips_of_real])]

    def metric(self, resampling: Resampling) -> tuple[Metric, ClipValues | None, Exchange | None]:
        """The number with its interval and test, its clips' parts in it, and the outcome of the test.

        Raises:
            ValueError: the number is not finite.
        """
        wanted = resampling.resamples >= 2
        exchange = self._tested(resampling) if self.difference and wanted else None
        interval, pseudo = self._interval(resampling) if wanted else (None, None)
        metric = Metric(
            name=self.name,
            value=value_of(self.of, self.sets),
            unit=self.unit,
            better=self.better,
            n=len(self.clips.values),
            dimension=self.dimension,
            features=self.features,
            interval=interval,
            quantity=self.quantity,
            statistic=self.statistic,
            significance=exchange.significance if exchange else None,
        )
        return metric, self._values() if self.is_mean else pseudo, exchange

    def _tested(self, resampling: Resampling) -> Exchange | None:
        if self.difference is None:
            return None
        first, second = self.tested() if self.tested else self.sets
        return exchange_test(self.difference, first, second, resampling, fewest=self.fewest or 0)

    def _interval(self, resampling: Resampling) -> tuple[Interval | None, ClipValues | None]:
        found = None if self.is_mean else jackknife(self.of, self.sets)
        pseudo = None
        if found is not None:
            pseudo = self._clip_values(PSEUDO_VALUE, found.sources, found.sources, found.pseudo_values)
        if self.interval == WILSON:
            clips, real, level = self.clips, self.clips_of_real, resampling.level
            return share_interval(clips, level) if real is None else difference_interval(clips, real, level), pseudo
        if self.interval == JACKKNIFE:
            return found.interval(resampling.level, self.minimum) if found else None, pseudo
        return percentile_interval(self.of, self.sets, resampling), pseudo

    def _values(self) -> ClipValues:
        """The clips' own, mean over frames."""
        values = self.clips.values.reshape(len(self.clips.values), -1).mean(axis=1)
        return self._clip_values(VALUE, _names(self.clips.sources), self.clips.sources, values)

    def _clip_values(self, kind: str, clips: Sequence[str], sources: Sequence[str], values: Array) -> ClipValues:
        return ClipValues(self.name, self.features, kind, tuple(clips), tuple(sources), tuple(values.tolist()))


def mean(sample: Sample) -> Array:
    """Mean over clips and whatever axes there are besides (draws,)."""
    found = sample.mean()
    flat: Array = found.reshape(len(found), -1).mean(axis=1)
    return flat


def difference_of_means(first: Sample, second: Sample) -> Array:
    """By how much two means differ (draws,), >= 0."""
    return np.abs(mean(first) - mean(second))


def _names(sources: Sequence[str]) -> list[str]:
    """Of clips: their source, and which of its clips where it has several."""
    seen: dict[str, int] = {}
    names = []
    for source in sources:
        number = seen[source] = seen.get(source, -1) + 1
        names.append(f"{source}#{number}" if number else source)
    return names
