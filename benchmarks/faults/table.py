"""The table of measures and faults, as it stands in the guide."""

import re
from collections.abc import Mapping
from pathlib import Path

from exvideo_eval.verdict import BETTER, WORSE

from benchmarks.faults.reaction import HIGHER, LOWER, UNMOVED, Reaction

GUIDE = Path(__file__).parents[2] / "docs" / "which-measure.md"
SIGNS = {WORSE: "✗", BETTER: "✓", HIGHER: "↑", LOWER: "↓", UNMOVED: "·"}
Table = Mapping[str, Mapping[str, Reaction]]  # by measure, by fault

_PLACE = re.compile(r"(?<=<!-- table of faults -->\n).*?(?=<!-- /table of faults -->)", re.DOTALL)
# Each moves as the mean that it is the ratio of.
_LEFT_OUT = ", ratio to real"


def table_of(by_fault: Mapping[str, Mapping[str, Reaction]]) -> Table:
    """By measure, from reactions by fault; without ratios, which move as their means do."""
    names = dict.fromkeys(name for found in by_fault.values() for name in found if not name.endswith(_LEFT_OUT))
    return {name: {fault: found[name] for fault, found in by_fault.items() if name in found} for name in sorted(names)}


def as_markdown(table: Table) -> str:
    """A row a measure, a column a fault, a sign of `SIGNS` in each cell, in brackets if it is small.

    Nothing where the measure gave no figure.
    """
    faults = list(dict.fromkeys(fault for row in table.values() for fault in row))
    lines = [["measure", "better", *faults], ["---", "---", *(":-:" for _ in faults)]]
    for name, row in table.items():
        better = next(iter(row.values())).better
        lines.append([name, better, *(_sign(row[fault]) if fault in row else "" for fault in faults)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def from_markdown(text: str) -> Table:
    """The table of `as_markdown`."""
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines())
    return {
        name: {
            fault: _reaction(better, sign) for fault, sign in zip(head[2:], signs, strict=True) if sign
        }
        for name, better, *signs in rows
    }  # fmt: skip


def _sign(reaction: Reaction) -> str:
    return f"({SIGNS[reaction.moved]})" if reaction.is_small else SIGNS[reaction.moved]


def _reaction(better: str, sign: str) -> Reaction:
    moved = {known: name for name, known in SIGNS.items()}
    return Reaction(better, moved[sign.strip("()")], is_small=sign.startswith("("))


def in_guide(path: Path = GUIDE) -> Table:
    """The table that the guide has."""
    return from_markdown(_found(path.read_text(encoding="utf-8"))[0])


def put_into_guide(table: Table, path: Path = GUIDE) -> None:
    """Puts a table in the place of the guide's."""
    text = path.read_text(encoding="utf-8")
    place = _found(text)
    path.write_text(text[: place.start()] + as_markdown(table) + text[place.end() :], encoding="utf-8")


def _found(text: str) -> re.Match[str]:
    place = _PLACE.search(text)
    if place is None:
        raise ValueError("The guide has no <!-- table of faults --> to <!-- /table of faults -->: put both in.")
    return place
