"""Sets two results, or two folders of them, side by side, with a verdict on every figure.

    exvideo-eval compare BEFORE AFTER [--threshold 0.05] [--absolute UNIT=AMOUNT] [--strict]

Exit status: 0; 1 if something got worse or is gone, with --strict also if something is undecided or not comparable;
2 if nothing can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exvideo_eval.paired_change import paired_change
from exvideo_eval.result_parts import ClipValues, Metric
from exvideo_eval.results import Result
from exvideo_eval.verdict import (
    EXACT_UNITS,
    UNDECIDED,
    Change,
    Margin,
    change_between,
    verdict_of,
)

GONE, NEW = "gone", "new"
TIME_UNITS = frozenset({"s", "ms", "us", "µs", "ns", "min", "h"})


@dataclass(frozen=True)
class Row:
    """One figure before and after; `change` is None and `verdict` gone or new if only one side has it."""

    name: str
    unit: str
    better: str
    before: float | None
    after: float | None
    change: Change | None
    verdict: str

    @property
    def ratio(self) -> float | None:
        """After as a multiple of before; None where there is no such number, or where the sign changes."""
        if not self.before or self.after is None or self.after / self.before < 0:
            return None
        return self.after / self.before


@dataclass(frozen=True)
class Comparison:
    """`title`: which results; `remarks`: what differs apart from the metrics (machine, versions)."""

    title: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]

    def decided(self, verdict: str) -> tuple[Row, ...]:
        """Rows with that verdict, of figures that have a better and a worse."""
        return tuple(row for row in self.rows if row.verdict == verdict and row.better != "neutral")


def compare_results(before: Result, after: Result, margin: Margin | None = None) -> Comparison:
    """Compares figure by figure, by the rules of `exvideo_eval.verdict`; by pairs of clips where both hold them.

    Times are compared only between equal CPU models, which both results name; so is whatever is not a count where the
    protocol names its `cpu`.

    Raises:
        ValueError: they are of different kind, name or protocol, so that their numbers mean different things; or values
            are so large that their squares are none.
    """
    _require_alike(before, after)
    margin = Margin() if margin is None else margin
    unlike = _unlike_cpus(before, after)
    named = any(each.protocol.get("cpu") for each in (before, after))
    old, new = ({_key(metric): metric for metric in result.metrics} for result in (before, after))
    clips = [{(values.metric, values.features): values for values in one.clip_values} for one in (before, after)]
    rows = []
    for key in dict.fromkeys([*old, *new]):
        one, two = old.get(key), new.get(key)
        figure = one or two
        assert figure is not None
        by_cpu = figure.unit not in EXACT_UNITS if named else _is_time(figure.unit)
        obstacle = unlike if by_cpu else ""
        values = [of_result.get((figure.name, figure.features)) for of_result in clips]
        try:
            rows.append(_row(one, two, margin, obstacle, values))
        except OverflowError as error:
            raise ValueError(f"The values of {figure.name!r} are too large to compare: measure it again.") from error
    remarks = [
        f"{what} differs: {_differences(one, two)}"
        for what, one, two in (
            ("machine", before.machine, after.machine),
            ("software", before.software, after.software),
        )
        if one != two
    ]
    return Comparison(_title(after), tuple(rows), tuple(remarks))


def compare_paths(before: Path, after: Path, margin: Margin | None = None) -> list[Comparison]:
    """Two result files, or two folders whose *.json files are matched by name (and are all results).

    Raises:
        ValueError: one sentence naming the path that is missing or no result, or why two files are not comparable. In
            folders, two such files give rows that are not comparable, and the others are compared.
    """
    for path in (before, after):
        if not path.exists():
            raise ValueError(f"{path} does not exist: give a result file or a folder of them.")
    if before.is_dir() != after.is_dir():
        raise ValueError(f"{before} and {after} are a folder and a file: give two files or two folders.")
    margin = Margin() if margin is None else margin
    if not before.is_dir():
        one, two = Result.load(before), Result.load(after)
        try:
            return [compare_results(one, two, margin)]
        except ValueError as error:
            raise ValueError(f"{before} and {after}: {error}") from error
    names = sorted({path.name for folder in (before, after) for path in folder.glob("*.json")})
    if not names:
        raise ValueError(f"Neither {before} nor {after} holds a .json file: give folders of results.")
    return [_compare_in_folders(before / name, after / name, margin) for name in names]


def _compare_in_folders(before: Path, after: Path, margin: Margin) -> Comparison:
    """A file that only one folder has counts as all its figures gone or new."""
    if not (before.exists() and after.exists()):
        only = Result.load(before if before.exists() else after)
        pairs = ((metric, None) if before.exists() else (None, metric) for metric in only.metrics)
        rows = tuple(_row(old, new, margin) for old, new in pairs)
        where = before.parent if before.exists() else after.parent
        return Comparison(_title(only), rows, (f"{before.name} is in {where} only",))
    one, two = Result.load(before), Result.load(after)
    try:
        return compare_results(one, two, margin)
    except ValueError as error:
        rows = tuple(_row(metric, metric, margin, str(error).rstrip(".")) for metric in two.metrics)
        return Comparison(_title(two), rows, (str(error),))


def _require_alike(before: Result, after: Result) -> None:
    for what in ("kind", "name"):
        values = (getattr(before, what), getattr(after, what))
        if values[0] != values[1]:
            raise ValueError(f"Results of different {what} {values} cannot be compared: give two of the same.")
    rules = [{key: value for key, value in result.protocol.items() if key != "cpu"} for result in (before, after)]
    if rules[0] != rules[1]:
        raise ValueError(
            f"The protocols differ ({_differences(*rules)}), so the numbers mean different things: measure both alike."
        )


def _unlike_cpus(before: Result, after: Result) -> str:
    """The reason that times of the two cannot be compared: other CPU models, or unknown ones; "" if they can."""
    for source in ("protocol", "machine"):
        one, two = (getattr(each, source).get("cpu") or "unknown" for each in (before, after))
        if one != two:
            return f"measured on another CPU, {one} -> {two}"
    known = any(each.get("cpu") for each in (before.protocol, before.machine))
    return "" if known else "measured on CPUs that neither result names"


def _row(
    before: Metric | None,
    after: Metric | None,
    margin: Margin,
    obstacle: str = "",
    clips: Sequence[ClipValues | None] = (None, None),
) -> Row:
    """`obstacle`: why the two cannot be compared, if so; `clips`: the figure clip by clip, on each side."""
    figure = before or after
    assert figure is not None
    old, new = (metric.value if metric is not None else None for metric in (before, after))
    change, verdict = None, GONE if after is None else NEW
    if before is not None and after is not None:
        one, two = clips
        paired = paired_change(before, after, one, two) if one is not None and two is not None else None
        change = paired or change_between(before, after)
        if obstacle:
            change = Change(change.difference, None, obstacle, comparable=False)
        verdict = verdict_of(change, margin, before)
        if verdict == UNDECIDED and not margin.judges(before):
            reason = f"a change from 0 has no percentage: give --absolute '{before.unit}=AMOUNT'"
            change = replace(change, reason=reason)
    return Row(figure.name, figure.unit, figure.better, old, new, change, verdict)


def _title(result: Result) -> str:
    return f"{result.kind}: {result.name}"


def _is_time(unit: str) -> bool:
    return unit in TIME_UNITS or unit.partition("/")[2] in TIME_UNITS


def _key(metric: Metric) -> tuple[Any, ...]:
    """Metrics that share it are the same quantity; a changed unit, direction or space makes another."""
    return (metric.name, metric.unit, metric.better, metric.features, metric.dimension)


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    keys = [key for key in dict.fromkeys([*one, *two]) if one.get(key) != two.get(key)]
    return ", ".join(f"{key} {one.get(key, 'absent')} -> {two.get(key, 'absent')}" for key in keys)
