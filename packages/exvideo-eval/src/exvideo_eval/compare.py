"""Sets two results, or two folders of them, side by side: what changed, and whether that is better or worse.

    python -m exvideo_eval.compare BEFORE AFTER [--threshold 0.05] [--fail-on-regression]

Exit status: 0; 1 with --fail-on-regression if something got worse or is gone; 2 if the two cannot be compared.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvideo_eval.results import Metric, Result


@dataclass(frozen=True)
class Row:
    """One metric before and after; `verdict` is better, worse, same, neutral, gone or new."""

    name: str
    unit: str
    better: str
    before: float | None
    after: float | None
    verdict: str

    @property
    def ratio(self) -> float | None:
        """After as a multiple of before; None where there is no such number."""
        return self.after / self.before if self.before and self.after is not None else None


@dataclass(frozen=True)
class Comparison:
    """`title`: which results; `remarks`: what differs apart from the metrics (machine, versions)."""

    title: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]

    @property
    def regressed(self) -> tuple[Row, ...]:
        """Rows that got worse or are gone, of metrics that have a better and a worse."""
        return tuple(row for row in self.rows if row.verdict in ("worse", "gone") and row.better != "neutral")


def compare_results(before: Result, after: Result, threshold: float = 0.05) -> Comparison:
    """Metric by metric. Where both have intervals, these must not overlap for a verdict; elsewhere the value must
    have changed by more than `threshold`, as a fraction of the value before.

    Raises:
        ValueError: they are of different kind, name or protocol, so that their numbers mean different things.
    """
    for what in ("kind", "name"):
        values = (getattr(before, what), getattr(after, what))
        if values[0] != values[1]:
            raise ValueError(f"Results of different {what} {values} cannot be compared: give two of the same.")
    if before.protocol_sha256 != after.protocol_sha256:
        raise ValueError(
            f"The protocols differ ({_differences(before.protocol, after.protocol)}), so the numbers mean different "
            "things: measure both alike."
        )
    old, new = ({_key(metric): metric for metric in result.metrics} for result in (before, after))
    rows = tuple(_row(old.get(key), new.get(key), threshold) for key in dict.fromkeys([*old, *new]))
    remarks = [
        f"{what} differs: {_differences(one, two)}"
        for what, one, two in (
            ("machine", before.machine, after.machine),
            ("software", before.software, after.software),
        )
        if one != two
    ]
    return Comparison(f"{after.kind}: {after.name}", rows, tuple(remarks))


def compare_paths(before: Path, after: Path, threshold: float = 0.05) -> list[Comparison]:
    """Two result files, or two folders whose *.json files are matched by name (and are all results).

    Raises:
        ValueError: one sentence naming the path that is missing, no result, or not comparable.
    """
    for path in (before, after):
        if not path.exists():
            raise ValueError(f"{path} does not exist: give a result file or a folder of them.")
    if before.is_dir() != after.is_dir():
        raise ValueError(f"{before} and {after} are a folder and a file: give two files or two folders.")
    if not before.is_dir():
        return [_compare_files(before, after, threshold)]
    names = sorted({path.name for folder in (before, after) for path in folder.glob("*.json")})
    if not names:
        raise ValueError(f"Neither {before} nor {after} holds a .json file: give folders of results.")
    return [_compare_files(before / name, after / name, threshold) for name in names]


def as_table(comparison: Comparison) -> str:
    """The comparison as a Markdown table under its title and remarks."""
    head = ("metric", "unit", "before", "after", "ratio", "")
    lines = [head, ("---",) * len(head)]
    for row in comparison.rows:
        numbers = ("-" if value is None else f"{value:.4g}" for value in (row.before, row.after, row.ratio))
        lines.append((row.name, row.unit, *numbers, "" if row.verdict == "neutral" else row.verdict))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([f"### {comparison.title}", *comparison.remarks, table])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see the module's text for its exit status."""
    parser = argparse.ArgumentParser(prog="compare.py", description="Compare two results, or two folders of them.")
    parser.add_argument("before", type=Path, help="result file, or folder of them")
    parser.add_argument("after", type=Path, help="the same, measured later")
    parser.add_argument("--threshold", type=float, default=0.05, help="change that counts; default: %(default)s")
    parser.add_argument("--fail-on-regression", action="store_true", help="exit 1 if something is worse or gone")
    options = parser.parse_args(arguments)
    try:
        if not options.threshold >= 0:
            raise ValueError(f"--threshold is {options.threshold}: give a fraction of at least 0, such as 0.05.")
        comparisons = compare_paths(options.before, options.after, options.threshold)
    except ValueError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    for comparison in comparisons:
        print(as_table(comparison), end="\n\n")
    regressed = [f"{comparison.title}: {row.name}" for comparison in comparisons for row in comparison.regressed]
    print(f"Worse or gone: {'; '.join(regressed)}." if regressed else "Nothing got worse.")
    return 1 if regressed and options.fail_on_regression else 0


def _compare_files(before: Path, after: Path, threshold: float) -> Comparison:
    """A file that only one folder has counts as all its metrics gone or new."""
    if not (before.exists() and after.exists()):
        only = Result.load(before if before.exists() else after)
        pairs = ((metric, None) if before.exists() else (None, metric) for metric in only.metrics)
        rows = tuple(_row(old, new, threshold) for old, new in pairs)
        where = before.parent if before.exists() else after.parent
        return Comparison(f"{only.kind}: {only.name}", rows, (f"{before.name} is in {where} only",))
    try:
        return compare_results(Result.load(before), Result.load(after), threshold)
    except ValueError as error:
        named = str(before) in str(error) or str(after) in str(error)
        raise error if named else ValueError(f"{before} and {after}: {error}") from error


def _row(before: Metric | None, after: Metric | None, threshold: float) -> Row:
    one = after or before
    assert one is not None
    verdict = "gone" if after is None else "new"
    if before is not None and after is not None:
        verdict = _verdict(before, after, threshold)
    old, new = (metric.value if metric is not None else None for metric in (before, after))
    return Row(one.name, one.unit, one.better, old, new, verdict)


def _verdict(before: Metric, after: Metric, threshold: float) -> str:
    if after.better == "neutral":
        return "neutral"
    if before.interval and after.interval:
        changed = after.interval.low > before.interval.high or after.interval.high < before.interval.low
    else:
        changed = abs(after.value - before.value) > threshold * abs(before.value)
    if not changed:
        return "same"
    return "better" if (after.value < before.value) == (after.better == "lower") else "worse"


def _key(metric: Metric) -> tuple[Any, ...]:
    """Metrics that share it are the same quantity; a changed unit, direction or space makes another."""
    return (metric.name, metric.unit, metric.better, metric.features, metric.dimension)


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    keys = [key for key in dict.fromkeys([*one, *two]) if one.get(key) != two.get(key)]
    return ", ".join(f"{key} {one.get(key, 'absent')} -> {two.get(key, 'absent')}" for key in keys)


if __name__ == "__main__":
    sys.exit(main())
