"""Distances of a set's features from the real ones, with all that they do not see beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.clip_parts import BASE
from exvideo_eval.clip_set import REAL, ClipSet
from exvideo_eval.exchange import Exchange
from exvideo_eval.kernel_table import KernelTable, inner_product
from exvideo_eval.measure import JACKKNIFE, Measure
from exvideo_eval.metrics.frechet import FeatureStatistics
from exvideo_eval.projection import SAMPLES_PER_DIMENSION, Projection, require_filled
from exvideo_eval.result_parts import Curve, Metric
from exvideo_eval.set_distances import frechet, frechet_by_window
from exvideo_eval.statistics import Clips, Sample

Array = NDArray[np.float64]

UNIT = "squared feature units"
FRECHET, KERNEL, SHIFT = "Fréchet distance", "kernel distance", "shift of the mean off the axes"
VARIANCE = "variance on the axes"
WHOLE = "value"  # the statistic of all of the clips

_OF_ROLE = {REAL: "real clips", BASE: "the base's own clips"}
_FEWEST_SOURCES = 2  # of a set, for a mean over pairs of clips from different files
_BYTES_AT_HAND = 8 * 2**20  # of features


@dataclass(frozen=True)
class Distances:
    """Distances of several sets from one, in features of equal windows.

    Args:
        real: the set that others are compared with: real clips, or the base's own.
        others: by role.
        features: name of the network.
        axes: that the Fréchet distance is on; None for no such distance.
        kernels: of the clips of all sets.
        starts: first frames of the windows, for a curve; None for no curve.
        about: said of the quantities after their names, as " by third".
        part: of the clips, as "first third", or `WHOLE`.
    """

    real: ClipSet
    others: Mapping[str, ClipSet]
    features: str
    axes: Projection | None
    kernels: KernelTable
    starts: Sequence[int] | None = None
    about: str = ""
    part: str = WHOLE

    @classmethod
    def of(
        cls,
        real: ClipSet,
        others: Sequence[ClipSet],
        features: str,
        axes: Projection | None,
        starts: Sequence[int] | None = None,
        about: str = "",
        part: str = WHOLE,
    ) -> "Distances":
        sets = {clips.role: clips for clips in others}
        table = KernelTable({clips.role: clips.features for clips in (real, *others)})
        return cls(real, sets, features, axes, table, starts, about, part)

    def at(self, windows: Sequence[int], part: str) -> "Distances":
        """The same of some windows alone, on the same axes."""
        sets = [replace(clips, features=clips.features.at(windows)) for clips in (self.real, *self.others.values())]
        return Distances.of(sets[0], sets[1:], self.features, self.axes, None, self.about, part)

    def measures(self, role: str) -> list[Measure]:
        """Fréchet distance on the axes and the shift of the mean off them, if there are any; and a kernel distance.

        The last, on all features, and the shift need two source files of each set; see `notes_of`.

        Raises:
            ValueError: there are fewer than two clips a dimension.
        """
        clips = self.others[role]
        of_axes = [] if self.axes is None else [self._frechet_measure(clips, self.axes)]
        if not self._has_strangers(role):
            return of_axes
        shift = [] if self.axes is None else [self._shift_measure(clips, self.axes)]
        return [*of_axes, *shift, self._kernel_measure(clips, KERNEL, self.kernels)]

    def _shift_measure(self, clips: ClipSet, axes: Projection) -> Measure:
        dimension = axes.axes.shape[1]
        measure = self._kernel_measure(clips, SHIFT, self._shifts)

        def on_both(first: Sample, second: Sample) -> Array:
            return self._shifts_off(self._axes_of_both(clips, dimension)).distance(first, second)

        return replace(measure, unit=UNIT, dimension=dimension, difference=on_both)

    def notes_of(self, role: str) -> list[str]:
        """Names a number that a set has not, for want of source files, to a reader."""
        if self._has_strangers(role):
            return []
        needs = f"needs {_FEWEST_SOURCES} source files of each set."
        if self.axes is None:
            return [f"No {KERNEL}{self.about}: it {needs}"]
        return [f"No {KERNEL}{self.about} and no {SHIFT}{self.about}: each {needs}"]

    def _has_strangers(self, role: str) -> bool:
        """Each of the two sets has clips of different files: pairs of clips from one file do not count."""
        return min(len(set(each.sources)) for each in (self.others[role], self.real)) >= _FEWEST_SOURCES

    @cached_property
    def _shifts(self) -> KernelTable:
        assert self.axes is not None
        return self._shifts_off(self.axes)

    def _shifts_off(self, axes: Projection) -> KernelTable:
        features = {clips.role: clips.features for clips in (self.real, *self.others.values())}
        return KernelTable(features, inner_product, axes.rest)

    def _axes_of_both(self, clips: ClipSet, dimension: int) -> Projection:
        """Axes of one set favour it: for a test, in which clips change places, they are those of both."""
        return Projection.fit(FeatureStatistics.of_parts(_windows(clips, self.real)), dimension)

    def _frechet_measure(self, clips: ClipSet, axes: Projection) -> Measure:
        dimension = axes.axes.shape[1]
        require_filled(min(clips.num_clips, self.real.num_clips), dimension)

        def on_both() -> tuple[Clips, Clips]:
            both = self._axes_of_both(clips, dimension)
            return _projected(clips, both), _projected(self.real, both)

        return Measure(
            quantity=f"{FRECHET}{self.about}, {self.features} features",
            statistic=self.part,
            unit=UNIT,
            better="lower",
            of=frechet,
            clips=_projected(clips, axes),
            clips_of_real=_projected(self.real, axes),
            features=self.features,
            dimension=dimension,
            interval=JACKKNIFE,
            minimum=0.0,
            fewest=SAMPLES_PER_DIMENSION * dimension,
            difference=frechet,
            tested=on_both,
        )

    def _kernel_measure(self, clips: ClipSet, quantity: str, table: KernelTable) -> Measure:
        """An unbiased kernel distance, which asks for no number of clips."""
        return Measure(
            quantity=f"{quantity}{self.about}, {self.features} features",
            statistic=self.part,
            unit="",
            better="lower",
            of=table.distance,
            clips=clips.of_clips(table.places(clips.role)),
            clips_of_real=self.real.of_clips(table.places(self.real.role)),
            features=self.features,
            dimension=table.dimension,
            interval=JACKKNIFE,
            difference=table.distance,
            has_ratio=False,
        )

    def shares_of_variance(self, role: str) -> list[Metric]:
        """Of a set and of the clips it is compared with, the share of variance on the axes; nothing without axes."""
        if self.axes is None:
            return []
        found = []
        quantity, part = f"{VARIANCE}{self.about}, {self.features} features", "" if self.part == WHOLE else self.part
        for each, of in ((self.others[role], ""), (self.real, self.real.role)):
            share, dimension = self.axes.share_of_variance(each.features), self.axes.axes.shape[1]
            name = ", ".join(filter(None, (quantity, part, _OF_ROLE.get(of))))
            metric = Metric(name, share, "share", "neutral", each.num_clips, dimension, self.features)
            statistic = f"{part}, share" if part else "share"
            found.append(replace(metric, quantity=quantity, statistic=statistic, of=of))
        return found


def is_frechet(measure: Measure) -> bool:
    """True for a Fréchet distance of sets, on whatever features, of all of the clips or of a part."""
    return measure.quantity.startswith(FRECHET)


def if_alike(measure: Measure, exchange: Exchange | None) -> list[Metric]:
    """The mean of a distance between sets that are alike, at the number of clips that a test exchanges.

    Nothing without a test, or where these clips, one of each file, are too few for the distance; see `no_alike`.
    """
    if exchange is None or exchange.num_clips < (measure.fewest or 0):
        return []
    part = "" if measure.statistic == WHOLE else f"{measure.statistic}, "
    metric = Metric(
        name=f"{measure.name}, if alike",
        value=exchange.null_mean,
        unit=UNIT,
        better="neutral",
        n=exchange.num_clips,
        dimension=measure.dimension,
        features=measure.features,
        quantity=measure.quantity,
        statistic=f"{part}mean of exchanged sets",
    )
    return [metric]


def no_alike(measure: Measure, exchange: Exchange | None) -> list[str]:
    """A sentence on a distance that has no such mean for want of files; none of any other."""
    if exchange is None or exchange.num_clips >= (measure.fewest or 0):
        return []
    return [
        f"{measure.name}: not told between sets that are alike, as one clip of each file is exchanged, and "
        f"{exchange.num_clips} are too few for {measure.dimension} dimensions."
    ]


def distance_curve(measure: Measure, starts: Sequence[int]) -> Curve:
    """The Fréchet distance window by window, by the first frame of each; where a clip leaves the others."""
    samples = [
        Sample(each.values, np.ones((1, len(each.values))), np.arange(len(each.values))) for each in measure.sets
    ]
    (distances,) = frechet_by_window(*samples)
    return Curve(measure.name, UNIT, "first frame of the window", tuple(starts), tuple(distances), "lower", "generated")


def axes_of(clips: ClipSet, dimension: int) -> Projection | None:
    """The leading axes of the windows of a set; None for dimension 0.

    Raises:
        ValueError: the dimension is more than the features have.
    """
    return Projection.fit(FeatureStatistics.of_parts(_windows(clips)), dimension) if dimension else None


def _projected(clips: ClipSet, axes: Projection) -> Clips:
    """(clips, windows, dimension of the axes)"""
    return clips.of_clips(np.stack([axes(features) for features in clips.features]))


def _windows(*sets: ClipSet) -> Iterator[Array]:
    """All windows of some sets, a part at a time: (windows, dimension)."""
    part: list[Array] = []
    for features in (features for clips in sets for features in clips.features):
        part.append(features)
        if len(part) * features.nbytes >= _BYTES_AT_HAND:
            yield np.concatenate(part)
            part = []
    if part:
        yield np.concatenate(part)
