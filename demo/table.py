"""README's table of a demo's figures, from the JSON beside its pictures: python -m demo.table [out/demo]

With the folder of a demo that was run, the JSON is of that run from then on. Without, the table is written again.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvideo_eval import Metric, Result
from exvideo_eval.verdict import BETTER, UNDECIDED, WORSE, verdict_of_difference

from demo.loss_curve import read_held_out_loss
from tiny_world.truth.figures import Difference

ROOT = Path(__file__).parents[1]
README, FIGURES = ROOT / "README.md", ROOT / "docs" / "embedded" / "demo.json"
FORMAT = "exvideo.demo_table/1"
HEADS = (
    "40 frames of 64x64, generated from first frame and caption",
    "base, run directly",
    "with the extension",
    "real clips",
    "difference",
)
LOSS = "held-out loss (mean of four noise levels, 7 clips)"
_PLACE = re.compile(r"(<!-- demo table -->\n).*?(?=<!-- /demo table -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        title: in the table.
        name: of the figure, in the results.
        decimals: of its numbers.
        of_truth: True of a figure by the tracker and the truth, False of one by exvideo-eval.
        has_ratio: True if the ratio to the base stands beside the difference.
    """

    title: str
    name: str
    decimals: int = 2
    of_truth: bool = True
    has_ratio: bool = False


FRECHET = "Fréchet distance, tiny-world judges features"
ROWS = (
    Row("displacement from the first frame, share of the true one", "displacement ratio"),
    Row("displacement error, pixels", "displacement error", 1),
    Row("turn timing error, frames (8 where a turn is missed)", "turn timing error", 1),
    Row("velocity error in the median frame, pixels a frame", "velocity error, median frame"),
    Row("velocity error in the mean frame", "velocity error"),
    Row("permanence: found when and only when it can be seen", "permanence"),
    Row("shape right", "shape right"),
    Row("colour error, RGB distance", "colour error", 1),
    Row("area, error as a share of the true one", "area error", 3),
    Row("bodies too many, a frame", "extra bodies", 3),
    Row("frames right in all, by the tracker", "judged right"),
    Row("Fréchet distance, features of the tiny world's judges", FRECHET, 1, of_truth=False, has_ratio=True),
    Row("motion right, by a judge", "judged motion right", of_truth=False),
    Row("motion energy, mismatch to real, octaves", "motion energy, mismatch to real", of_truth=False),
    Row("sharpness, mismatch to real, octaves", "sharpness, mismatch to real", of_truth=False),
)


def figures_of(output: Path) -> dict[str, Any]:
    """The table's figures, as plain values, of a demo that was run.

    Args:
        output: its folder.

    Raises:
        FileNotFoundError: the post-tuning left nothing there.
        ValueError: another stage did not.
    """
    loss = read_held_out_loss(output / "post_tune" / "metrics.jsonl")
    truth = {name: Result.load(output / "truth" / f"{name}.json") for name in ("base", "extended", "real")}
    names = {"base": "baseline", "extended": "report", "contrast": "against_baseline"}
    report = {role: Result.load(output / "report" / f"{name}.json") for role, name in names.items()}
    rows = {row.name: _row(row, truth if row.of_truth else report) for row in ROWS}
    return {
        "format": FORMAT,
        "command": f"make demo STEPS={loss.steps[-1]}",
        "cpu": str(report["extended"].machine["cpu"]),
        "steps": loss.steps[-1],
        "held_out_loss": {"base": loss.base, "extended": loss.extension[-1]},
        "rows": rows,
    }


def _row(row: Row, results: Mapping[str, Result]) -> dict[str, Any]:
    extended = results["extended"]
    if row.of_truth:
        difference, ratio = extended.metric(f"{row.name}, less that of base"), None
        real = results["real"].metric(row.name)
    else:
        difference = results["contrast"].metric(f"{row.name}, difference to baseline")
        ratio = results["contrast"].metric(f"{row.name}, ratio to baseline") if row.has_ratio else None
        real = extended.metric(f"{row.name}, real clips")
    return {
        "base": _plain(results["base"].metric(row.name)),
        "extended": _plain(extended.metric(row.name)),
        "real": _plain(real),
        "difference": _plain(difference),
        "ratio": _plain(ratio),
        "verdict": _verdict(row, difference),
    }


def _verdict(row: Row, difference: Metric | None) -> str:
    if difference is None:
        return UNDECIDED
    if not row.of_truth:
        return verdict_of_difference(difference)
    by_pairs = Difference(
        row.name, difference.unit, difference.better, difference.value, difference.n or 0, difference.interval
    )
    return by_pairs.verdict


def _plain(metric: Metric | None) -> dict[str, float] | None:
    if metric is None:
        return None
    found = {"value": metric.value}
    if metric.interval is not None:
        found |= {"low": metric.interval.low, "high": metric.interval.high}
    if metric.significance is not None:
        found |= {"p": metric.significance.p_value}
    return {name: float(f"{number:.4g}") for name, number in found.items()}


def table(figures: Mapping[str, Any]) -> str:
    """The table as Markdown: bold is better by the paired difference."""
    loss = figures["held_out_loss"]
    lines = [HEADS, ("---",) * len(HEADS), (LOSS, f"{loss['base']:.3f}", f"{loss['extended']:.3f}", "", "")]
    lines += [_line(row, figures["rows"][row.name]) for row in ROWS]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: Row, found: Mapping[str, Any]) -> tuple[str, ...]:
    told = {role: _told(found[role], row.decimals) for role in ("base", "extended")}
    winner = {BETTER: "extended", WORSE: "base"}.get(found["verdict"])
    if winner is not None:
        told[winner] = f"**{told[winner]}**"
    difference, ratio = _told(found["difference"], row.decimals), _told(found["ratio"], 2)
    p = (found["difference"] or {}).get("p")
    parts = [difference, *([f"p {p:.2g}"] if p is not None else []), *([f"ratio {ratio}"] if ratio else [])]
    real = found["real"]
    return (
        row.title,
        told["base"],
        told["extended"],
        _told(real and {"value": real["value"]}, row.decimals),
        ", ".join(part for part in parts if part),
    )


def _told(number: Mapping[str, float] | None, decimals: int) -> str:
    if number is None:
        return ""
    value = f"{number['value']:.{decimals}f}"
    return f"{value} [{number['low']:.{decimals}f}, {number['high']:.{decimals}f}]" if "low" in number else value


def filled(text: str, figures: Mapping[str, Any]) -> str:
    """A page's text with the table in its place."""
    return _PLACE.sub(lambda place: f"{place[1]}{table(figures)}\n", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes figures, where a folder is given, and README; 0 when that is done."""
    parser = argparse.ArgumentParser(prog="python -m demo.table", description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", metavar="DIR", help="of a demo that was run")
    options = parser.parse_args(arguments)
    if options.output is not None:
        _write(FIGURES, json.dumps(figures_of(options.output), indent=1) + "\n")
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    _write(README, filled(README.read_text(encoding="utf-8"), figures))
    return 0


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
