"""The sides of a comparison, and what a process of one finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BASE, HEAD = "base", "head"
CONTROL = "control"  # the base once more
SIDES = (BASE, CONTROL, HEAD)


@dataclass(frozen=True)
class Found:
    """One process's finds.

    Args:
        counts: {"name", "unit", "value", "better"} of each exact figure.
        times: {"name", "wall", "cpu"} of each timing: seconds a call of each turn; "cpu" may be missing.
        failed: function -> its exception.
        modules: files of all modules that were imported.
    """

    counts: Sequence[Mapping[str, Any]] = ()
    times: Sequence[Mapping[str, Any]] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    modules: Sequence[str] = ()


def failed_process(said: str) -> Found:
    """Of a process that could not tell what it found."""
    return Found(failed={"the process": said})
