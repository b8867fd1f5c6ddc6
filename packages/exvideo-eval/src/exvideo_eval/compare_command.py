"""`exvideo-eval compare BEFORE AFTER`: the comparison as tables, its verdicts in words, and an exit status."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exvideo_eval.compare import GONE, Comparison, Row, compare_paths
from exvideo_eval.verdict import ABSOLUTE, BETTER, NEUTRAL, NOT_COMPARABLE, UNDECIDED, WORSE, Margin

HEAD = ("figure", "unit", "before", "after", "ratio", "difference", "")


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see `exvideo_eval.compare` for its exit status."""
    options = _parser().parse_args(arguments)
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace")  # names of files and figures may be what no terminal shows
    try:
        margin = Margin(options.threshold, dict(ABSOLUTE) | dict(map(_amount, options.absolute)))
        comparisons = compare_paths(options.before, options.after, margin)
    except (OSError, ValueError) as error:
        return _refuse(str(error))
    if reason := nothing_comparable(comparisons):
        return _refuse(f"nothing can be compared: {reason}.")
    try:
        for comparison in comparisons:
            print(as_table(comparison), end="\n\n")
        print("\n".join(closing_lines(comparisons)))
    except OSError as error:
        return _refuse(f"the comparison cannot be written ({error.strerror}): send it to where there is room.")
    failing = (WORSE, GONE, UNDECIDED, NOT_COMPARABLE) if options.strict else (WORSE, GONE)
    return int(any(comparison.decided(verdict) for comparison in comparisons for verdict in failing))


def _refuse(sentence: str) -> int:
    """Says why nothing is compared, in one line whatever the files hold; the exit status."""
    print(f"exvideo-eval compare: {' '.join(sentence.split())}", file=sys.stderr)
    return 2


def nothing_comparable(comparisons: Sequence[Comparison]) -> str:
    """The reason that there is not one figure to compare; empty if there is one, or one that is new or gone."""
    rows = [row for comparison in comparisons for row in comparison.rows if row.better != NEUTRAL]
    if not rows:
        return "no figure of the results has a better way, lower or higher"
    if any(row.verdict != NOT_COMPARABLE for row in rows):
        return ""
    return "; ".join(dict.fromkeys(row.change.reason for row in rows if row.change is not None))


def as_table(comparison: Comparison) -> str:
    """The comparison as a Markdown table under its title and remarks."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_cells, comparison.rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([f"### {comparison.title}", *comparison.remarks, table])


def closing_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """One line for each verdict that needs a look, worst first, and an all-clear only where it is one."""
    lines = []
    for verdict in (WORSE, GONE, UNDECIDED, NOT_COMPARABLE, BETTER):
        named = [
            f"{comparison.title}: {row.name}{_reason(row)}"
            for comparison in comparisons
            for row in comparison.decided(verdict)
        ]
        if named:
            lines.append(f"{verdict.capitalize()}: {'; '.join(named)}.")
    open_or_bad = [line for line in lines if not line.startswith(BETTER.capitalize())]
    return lines if open_or_bad else [*lines, "Nothing got worse."]


def _reason(row: Row) -> str:
    return f" ({row.change.reason})" if row.change is not None and row.change.reason else ""


def _cells(row: Row) -> tuple[str, ...]:
    numbers = ("-" if value is None else f"{value:.4g}" for value in (row.before, row.after, row.ratio))
    difference = "-"
    if row.change is not None:
        difference = f"{row.change.difference:+.4g}"
        if row.change.interval is not None and row.change.interval[0] < row.change.interval[1]:
            difference += " [{:+.4g}, {:+.4g}]".format(*row.change.interval)
    return (row.name, row.unit, *numbers, difference, "" if row.verdict == NEUTRAL else row.verdict)


def _amount(text: str) -> tuple[str, float]:
    unit, equals, amount = text.rpartition("=")
    try:
        return unit, float(amount if equals else "none")
    except ValueError:
        raise ValueError(f"--absolute is {text!r}: give a unit and an amount, such as ms=0.5.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exvideo-eval compare",
        description="Compare two results, or two folders of them: better, worse, same, undecided, not comparable.",
        epilog="Exit status: 1 if something is worse or gone, 2 if nothing can be compared, else 0.",
    )
    parser.add_argument("before", type=Path, help="result file, or folder of them")
    parser.add_argument("after", type=Path, help="the same, measured later")
    parser.add_argument(
        "--threshold", type=float, default=0.05, help="fraction that a change must exceed; default: %(default)s"
    )
    parser.add_argument(
        "--absolute",
        action="append",
        default=[],
        metavar="UNIT=AMOUNT",
        help="amount that it must exceed as well; share=0.02 is also of units that begin with that word, =0.1 of none",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 also if something is undecided or not comparable"
    )
    return parser
