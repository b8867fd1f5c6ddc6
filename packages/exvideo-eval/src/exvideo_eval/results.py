"""The one result file of the project, schema `exvideo.result/2`: quality reports and benchmarks alike.

A result says what was measured (`metrics`, `curves`, `clip_values`), on what (`data`), by what rules (`protocol` and
its hash), where (`machine`, `software`), and what was left out (`skipped`). It is one JSON object, written and read by
`Result.save` and `Result.load`, which reads `exvideo.result/1` too; `exvideo-eval compare` sets two of them side by
side.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exvideo_eval.machine import describe_machine, software_versions
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.result_parts import ClipValues, Curve, Data, Metric, Skipped, require
from exvideo_eval.schema_1 import SCHEMA_1, upgraded
from exvideo_eval.strict_json import ReadsJson, parsed
from exvideo_eval.whole_file import replacing

SCHEMA = "exvideo.result/2"


@dataclass(frozen=True)
class Result(ReadsJson):
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
    clip_values: tuple[ClipValues, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    schema: str = field(default=SCHEMA)

    def __post_init__(self) -> None:
        require(bool(self.kind and self.name), "A result needs a kind and a name, such as 'kernel' and 'layer norm'.")
        found = protocol_hash(self.protocol)
        require(found == self.protocol_sha256, f"protocol_sha256 is {self.protocol_sha256}, its protocol's is {found}.")
        keys = [(metric.name, metric.features) for metric in self.metrics]
        twice = sorted({name for name, features in keys if keys.count((name, features)) > 1})
        require(not twice, f"Metric names {twice} occur twice: each name (with its features) may occur once.")

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
        clip_values: tuple[ClipValues, ...] = (),
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
            clip_values=clip_values,
            notes=notes,
            skipped=skipped,
        )

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all: to a temporary name in the same folder, then renamed.

        Raises:
            ValueError: the result holds something that JSON cannot carry (NaN, an object, half of a surrogate pair);
                nothing is written.
        """
        path = Path(path)
        try:
            text = json.dumps({"schema": self.schema, **asdict(self)}, indent=2, ensure_ascii=False, allow_nan=False)
            written = f"{text}\n".encode()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} was not written, as its result is not plain JSON: {error}.") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(written)

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read and check a result file.

        Raises:
            ValueError: one sentence naming the file: absent, not JSON, another schema, a field missing, unknown or of
                the wrong type, or a protocol that does not match its hash.
        """
        path = Path(path)
        try:
            content = parsed(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from error
        except ValueError as error:
            raise ValueError(f"{path} is not a result file: it is not JSON ({error}).") from error
        try:
            require(isinstance(content, dict) and "schema" in content, "it has no 'schema' field.")
            schema = content["schema"]
            known = schema in (SCHEMA, SCHEMA_1)
            require(known, f"its schema is {schema!r}, and {SCHEMA!r} is the newest known: update exvideo-eval.")
            result = cls.from_json(content if schema == SCHEMA else upgraded(content, SCHEMA), "result")
        except ValueError as error:
            raise ValueError(f"{path} is not a result that this version reads: {error}") from error
        return result
