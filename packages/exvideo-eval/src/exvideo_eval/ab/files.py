"""Files of a comparison: a result of each side, the verdicts, and what github-action-benchmark reads."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from exvideo_eval.ab.judging import Judgement
from exvideo_eval.ab.ratios import LEVEL, median_interval
from exvideo_eval.ab.sides import BASE, CONTROL, HEAD, SIDES, Found
from exvideo_eval.ab.summary import Run
from exvideo_eval.result_parts import Interval, Metric
from exvideo_eval.results import Result
from exvideo_eval.whole_file import replacing

METHOD = "order statistics over rounds"


def require_writable(folder: Path, summary: Path | None) -> None:
    """Tries the places that a comparison is written to at its end, and makes the folder, before its minutes are spent.

    Args:
        folder: of the files.
        summary: file that the page is added to, if there is one.

    Raises:
        ValueError: the folder cannot be made, or a place not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"--output {folder} is no folder to write to ({error.strerror}): give another.") from error
    try:
        if summary is not None:
            summary.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ValueError(f"GITHUB_STEP_SUMMARY is {summary} ({error.strerror}): name a file, or unset it.") from error


def write_files(folder: Path, run: Run, found: Mapping[str, Sequence[Found]], judgement: Judgement, page: str) -> None:
    """Writes each file to a temporary name and renames it.

    base.json, control.json and head.json (results, for `exvideo-eval compare`), verdicts.json, summary.md,
    github-action-benchmark.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for side in SIDES:
        side_result(side, run, found[side]).save(folder / f"{side}.json")
    verdicts = {"run": asdict(run), "passed": judgement.passed, **asdict(judgement)}
    _write(folder / "verdicts.json", json.dumps(verdicts, indent=2) + "\n")
    _write(folder / "github-action-benchmark.json", json.dumps(smaller_is_better(found[HEAD], run), indent=2) + "\n")
    _write(folder / "summary.md", page)


def side_result(side: str, run: Run, runs: Sequence[Found]) -> Result:
    """Of one side: each exact count; of each time the median of the processes' best, with its interval."""
    protocol = asdict(run)
    commits = protocol.pop("commits")
    counts = {figure["name"]: figure for one in runs for figure in one.counts}
    metrics = [Metric(name, figure["value"], figure["unit"], figure["better"]) for name, figure in counts.items()]
    for name, values in _times(runs).items():
        bounds = median_interval(values)
        interval = None if bounds is None else Interval(*bounds, LEVEL, METHOD)
        metrics.append(Metric(name, median(values), "s", "lower", n=len(values), interval=interval))
    commit = commits[HEAD if side == HEAD else BASE]
    note = f"{side}, commit {commit}" + (": the base's second run" if side == CONTROL else "")
    return Result.measured_here(kind="ab", name=run.suite, protocol=protocol, metrics=tuple(metrics), notes=(note,))


def smaller_is_better(runs: Sequence[Found], run: Run) -> list[dict[str, Any]]:
    """Head's times, and counts that should be low, in github-action-benchmark's format `customSmallerIsBetter`."""
    extra = f"commit {run.commits[HEAD]}, {run.cpu}"
    counts = {figure["name"]: figure for one in runs for figure in one.counts if figure["better"] == "lower"}
    rows = [
        {"name": name, "unit": figure["unit"], "value": figure["value"], "extra": extra}
        for name, figure in counts.items()
    ]
    for name, values in _times(runs).items():
        spread = f"{max(values) - min(values):.3g}"
        rows.append({"name": name, "unit": "s", "value": median(values), "range": spread, "extra": extra})
    return rows


def _times(runs: Sequence[Found]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for run in runs:
        for time in run.times:
            times.setdefault(time["name"], []).append(median(time["wall"]))
    return times


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
