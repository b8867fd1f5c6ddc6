"""The one result file of the project, schema `exvideo.result/1`: quality reports and benchmarks alike.

A result says what was measured (`metrics`, `curves`), on what (`data`), by what rules (`protocol` and its hash), where
(`machine`, `software`), and what was left out (`skipped`). It is one JSON object, written and read by `Result.save` and
`Result.load`; `exvideo-eval compare` sets two of them side by side.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exvideo_eval.machine import describe_machine, software_versions
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.strict_json import from_json

SCHEMA = "exvideo.result/1"
DIRECTIONS = ("lower", "higher", "neutral")


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _require_direction(name: str, better: str) -> None:
    _require(better in DIRECTIONS, f"{name!r} has better={better!r}: write one of lower, higher, neutral.")


@dataclass(frozen=True)
class Interval:
    """Bounds of a value, in the metric's unit, with their `level` in (0, 1) and the method that made them."""

    low: float
    high: float
    level: float
    method: str

    def __post_init__(self) -> None:
        bounds = (self.low, self.high)
        ordered = all(map(math.isfinite, bounds)) and self.low <= self.high
        _require(ordered, f"Interval {bounds} is not low <= high: give two finite bounds in that order.")
        _require(0 < self.level < 1, f"Interval level {self.level} is not between 0 and 1: write 0.95 for 95%.")


@dataclass(frozen=True)
class Metric:
    """One number. `n`: how many samples it rests on; `dimension`, `features`: of the feature space, if it has one."""

    name: str
    value: float
    unit: str
    better: str
    n: int | None = None
    dimension: int | None = None
    features: str | None = None
    interval: Interval | None = None

    def __post_init__(self) -> None:
        _require_direction(self.name, self.better)
        _require(math.isfinite(self.value), f"Metric {self.name!r} is {self.value}: leave it out and say so in notes.")


@dataclass(frozen=True)
class Curve:
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
        _require(lengths[0] == lengths[1] > 0, f"Curve {self.name!r} has {lengths} points of x and y: give as many.")
        finite = all(map(math.isfinite, (*self.x, *self.y)))
        _require(finite, f"Curve {self.name!r} holds a value that is not finite: leave that point out and say so.")


@dataclass(frozen=True)
class Data:
    """Things measured: their role ("real", "generated", "input"), what they are, where they lie, how many."""

    role: str
    what: str
    where: str
    count: int


@dataclass(frozen=True)
class Skipped:
    """A file that was given and not counted, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Result:
    """One measurement, whole.

    `kind` is "quality", "kernel", "training" or "generation" (a new kind is a new word); `name` tells results of a kind
    apart. `protocol` holds everything that changes the numbers, as plain JSON values (for timings: the device, too).
    """

    kind: str
    name: str
    created: str
    machine: Mapping[str, Any]
    software: Mapping[str, str]
    data: tuple[Data, ...]
    protocol: Mapping[str, Any]
    protocol_sha256: str
    metrics: tuple[Metric, ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    schema: str = field(default=SCHEMA)

    def __post_init__(self) -> None:
        _require(bool(self.kind and self.name), "A result needs a kind and a name, such as 'kernel' and 'layer norm'.")
        found = protocol_hash(self.protocol)
        _require(
            found == self.protocol_sha256, f"protocol_sha256 is {self.protocol_sha256}, its protocol's is {found}."
        )
        keys = [(metric.name, metric.features) for metric in self.metrics]
        twice = sorted({name for name, features in keys if keys.count((name, features)) > 1})
        _require(not twice, f"Metric names {twice} occur twice: each name (with its features) may occur once.")

    @classmethod
    def measured_here(
        cls,
        *,
        kind: str,
        name: str,
        protocol: Mapping[str, Any],
        metrics: tuple[Metric, ...],
        data: tuple[Data, ...] = (),
        curves: tuple[Curve, ...] = (),
        notes: tuple[str, ...] = (),
        skipped: tuple[Skipped, ...] = (),
    ) -> "Result":
        """A result stamped with the time, this machine, the installed versions and the protocol's hash."""
        return cls(
            kind=kind,
            name=name,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            machine=describe_machine(),
            software=software_versions(),
            data=data,
            protocol=protocol,
            protocol_sha256=protocol_hash(protocol),
            metrics=metrics,
            curves=curves,
            notes=notes,
            skipped=skipped,
        )

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all: to a temporary name in the same folder, then renamed.

        Raises:
            ValueError: the protocol or machine holds something JSON cannot carry (NaN, an object); nothing is written.
        """
        path = Path(path)
        try:
            text = json.dumps({"schema": self.schema, **asdict(self)}, indent=2, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} was not written, as its result is not plain JSON: {error}.") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read and check a result file.

        Raises:
            ValueError: one sentence naming the file: absent, not JSON, another schema, a field missing, unknown or of
                the wrong type, or a protocol that does not match its hash.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from error
        except ValueError as error:
            raise ValueError(f"{path} is not a result file: it is not JSON ({error}).") from error
        try:
            _require(isinstance(content, dict) and "schema" in content, "it has no 'schema' field.")
            schema = content["schema"]
            _require(schema == SCHEMA, f"its schema is {schema!r}, and only {SCHEMA!r} is known: update exvideo-eval.")
            result: Result = from_json(cls, content, "result")
        except ValueError as error:
            raise ValueError(f"{path} is not a result that this version reads: {error}") from error
        return result
