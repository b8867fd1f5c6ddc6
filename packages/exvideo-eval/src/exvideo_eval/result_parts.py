"""The parts of a result: figures with their intervals and tests, curves, and the clips that they rest on."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from exvideo_eval.shown_name import shown_name
from exvideo_eval.strict_json import ReadsJson

DIRECTIONS = ("lower", "higher", "neutral")
VALUE, PSEUDO_VALUE = "value", "pseudo-value"


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _require_direction(name: str, better: str) -> None:
    require(better in DIRECTIONS, f"{name!r} has better={better!r}: write one of lower, higher, neutral.")


@dataclass(frozen=True)
class Interval(ReadsJson):
    """Bounds of a value, in the metric's unit, with their `level` in (0, 1) and the method that made them."""

    low: float
    high: float
    level: float
    method: str

    def __post_init__(self) -> None:
        bounds = (self.low, self.high)
        ordered = all(map(math.isfinite, bounds)) and self.low <= self.high
        require(ordered, f"Interval {bounds} is not low <= high: give two finite bounds in that order.")
        require(0 < self.level < 1, f"Interval level {self.level} is not between 0 and 1: write 0.95 for 95%.")


@dataclass(frozen=True)
class Significance(ReadsJson):
    """The probability, in [0, 1], of a figure at least as extreme if the two sets were alike, and the method."""

    p_value: float
    method: str

    def __post_init__(self) -> None:
        require(0 <= self.p_value <= 1, f"The p value is {self.p_value}: give one from 0 to 1.")


@dataclass(frozen=True)
class Metric(ReadsJson):
    """One number.

    Args:
        name: for people; it occurs once in a result, for each `features`.
        value: in `unit`; which way is `better`: lower, higher or neutral.
        n: how many samples it rests on.
        dimension, features: of the feature space, if it has one.
        interval: of the value.
        quantity: measured of each clip or set, such as "motion energy"; the name by default.
        statistic: that the number is of the quantity, such as "mean" or "ratio to real".
        of: the set whose number it is, where that is not the set that the result is of: "real".
        contrast: to another set, such as "difference to baseline"; "" for a set's own number.
        significance: of the two sets not being alike in it.
    """

    name: str
    value: float
    unit: str
    better: str
    n: int | None = None
    dimension: int | None = None
    features: str | None = None
    interval: Interval | None = None
    quantity: str = ""
    statistic: str = "value"
    of: str = ""
    contrast: str = ""
    significance: Significance | None = None

    def __post_init__(self) -> None:
        _require_direction(self.name, self.better)
        require(math.isfinite(self.value), f"Metric {self.name!r} is {self.value}: leave it out and say so in notes.")
        object.__setattr__(self, "quantity", self.quantity or self.name)


@dataclass(frozen=True)
class Curve(ReadsJson):
    """`y` (in `unit`) against `x`. Curves of one `name` are drawn together, told apart by `series`."""

    name: str
    unit: str
    x_name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    better: str = "neutral"
    series: str = ""

    def __post_init__(self) -> None:
        _require_direction(self.name, self.better)
        object.__setattr__(self, "x", tuple(float(value) for value in self.x))
        object.__setattr__(self, "y", tuple(float(value) for value in self.y))
        lengths = (len(self.x), len(self.y))
        require(lengths[0] == lengths[1] > 0, f"Curve {self.name!r} has {lengths} points of x and y: give as many.")
        finite = all(map(math.isfinite, (*self.x, *self.y)))
        require(finite, f"Curve {self.name!r} holds a value that is not finite: leave that point out and say so.")


@dataclass(frozen=True)
class Media(ReadsJson):
    """Everything that the files of a set have in common or differ in; each tuple sorted, without repeats.

    Args:
        codecs, pixel_formats: as FFmpeg names them, such as "h264" and "yuv420p".
        sizes: as "HEIGHTxWIDTH", in pixels, as shown.
        fps: mean frames a second, rounded to 3 places; 0 for a file without.
        resizing: how frames came to the size they were compared at.
    """

    codecs: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    sizes: tuple[str, ...]
    fps: tuple[float, ...]
    resizing: str


@dataclass(frozen=True)
class Data(ReadsJson):
    """Things measured: their role ("real", "generated", "input"), what they are, where they lie, how many."""

    role: str
    what: str
    where: str
    count: int
    media: Media | None = None


@dataclass(frozen=True)
class ClipValues(ReadsJson):
    """One metric clip by clip, so that results of two versions on the same clips can be paired.

    Args:
        metric, features: of the metric.
        kind: "value", of which the metric is the mean; or "pseudo-value" of the jackknife (Tukey, 1958), whose mean is
            the metric less its first-order bias, and whose spread between clips is the metric's.
        clips: their files, with "#1" for the second clip of a file; for pseudo-values the source file without ending.
        clusters: the source of each, such as "street/c1" of "street/c1.mp4": clips of one move together.
        values: one a clip, in the metric's unit.
    """

    metric: str
    features: str | None
    kind: str
    clips: tuple[str, ...]
    clusters: tuple[str, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        require(self.kind in (VALUE, PSEUDO_VALUE), f"kind is {self.kind!r}: write {VALUE} or {PSEUDO_VALUE}.")
        lengths = (len(self.clips), len(self.clusters), len(self.values))
        require(len(set(lengths)) == 1, f"{self.metric!r} has {lengths} clips, clusters and values: give as many.")
        finite = all(map(math.isfinite, self.values))
        require(finite, f"{self.metric!r} has a clip without a finite value: leave that clip out.")


@dataclass(frozen=True)
class Skipped(ReadsJson):
    """A file that was given and not counted, and why.

    `measure`: the one that did not count it, such as "fvd:fastvideo", where others did; "" for all of them.
    """

    file: str
    reason: str
    measure: str = ""

    @classmethod
    def of(cls, path: Path, reason: str, measure: str = "") -> Self:
        """A file by its path, whatever letters are in it."""
        return cls(shown_name(path), reason, measure)

    @classmethod
    def from_json(cls, value: Any, place: str) -> Self:
        """As `ReadsJson.from_json`; results of earlier versions have no `measure`."""
        return super().from_json({"measure": "", **value} if isinstance(value, dict) else value, place)
