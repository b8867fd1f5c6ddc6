"""Writes an evaluation out: report.json (and baseline.json), report.md to read, report.png to look at."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from exvideo_eval.bootstrap import Resampling
from exvideo_eval.drift import drift_metric
from exvideo_eval.embedded import JUDGES
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL, FrameCurve
from exvideo_eval.judgement import REAL
from exvideo_eval.plots import draw
from exvideo_eval.protocols.into_result import MEASURES, published_protocols, published_rows
from exvideo_eval.result_parts import Metric
from exvideo_eval.results import Result
from exvideo_eval.suite import Evaluation


def write_report(folder: str | Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write the report's files into a folder, made if need be; an earlier report there is replaced. Returns them.

    Raises:
        ValueError: the folder cannot be made or written to.
    """
    folder = Path(folder)
    json_path, markdown, picture = (folder / f"report.{ending}" for ending in ("json", "md", "png"))
    baseline_path = folder / "baseline.json"
    try:
        evaluation.generated.save(json_path)
        if evaluation.baseline is not None:
            evaluation.baseline.save(baseline_path)
        else:
            baseline_path.unlink(missing_ok=True)  # of an earlier report, which this one replaces
        _write_text(markdown, as_markdown(evaluation))
        draw(evaluation, picture)
    except OSError as error:
        raise ValueError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    return (json_path, *([baseline_path] if evaluation.baseline is not None else []), markdown, picture)


def as_markdown(evaluation: Evaluation) -> str:
    """The report as text: numbers in tables, then the rules they were measured by and whatever was left out."""
    generated, baseline = evaluation.generated, evaluation.baseline
    columns = [("generated", generated)] if baseline is None else [("baseline", baseline), ("generated", generated)]
    parts = [
        "# Generated clips against real clips",
        f"Measured {generated.created} with exvideo-eval {generated.software.get('exvideo-eval', '')}.",
        "![curves](report.png)",
        *_data_section(columns),
        "## Distances",
        _table(["", "better", *(name for name, _ in columns)], _distance_rows(columns)),
        "A Fréchet distance is comparable only at the same features, dimension and number of clips. The one between "
        "halves of the real clips is what the choice of clips alone makes: one well above it is a real difference.",
        *_published_section(columns),
        *_judge_section(columns),
        "## Frame by frame",
        _table(["", "what", "real", *(name for name, _ in columns)], _curve_rows(columns)),
        "Ratio to real: 1 is like the real clips. Mismatch: how far the curve over frames runs from the real one, in "
        "octaves (0 is the same, 1 is twice or half of it throughout; lower is better). Brackets: "
        f"{_interval_words(generated)}.",
        *_list_section("Notes", dict.fromkeys(note for _, result in columns for note in _labelled(result, columns))),
        *_list_section("Skipped files", _skipped(columns)),
        "## Protocol",
        *(_protocol_lines(columns)),
        "## Machine",
        _bullets(f"{key}: {value}" for key, value in {**generated.machine, **generated.software}.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _data_section(columns: list[tuple[str, Result]]) -> list[str]:
    rows = [["real", *_data_cells(columns[-1][1], "real")]]
    rows += [[name, *_data_cells(result, "generated")] for name, result in columns]
    return ["## Data", _table(["set", "clips", "what", "where"], rows)]


def _data_cells(result: Result, role: str) -> list[str]:
    data = next(item for item in result.data if item.role == role)
    return [str(data.count), data.what, f"`{data.where}`"]


def _distance_rows(columns: list[tuple[str, Result]]) -> list[list[str]]:
    to_real = (PSNR_TO_REAL.name, DIFFERENCE_TO_REAL.name)
    shown = [metric for metric in columns[-1][1].metrics if metric.dimension is not None or metric.name in to_real]
    rows = []
    for metric in shown:
        where = f" (dimension {metric.dimension}, {metric.n} windows)" if metric.dimension else f", {metric.unit}"
        cells = [_cell(result.metric(metric.name)) for _, result in columns]
        rows.append([metric.name + where, metric.better, *cells])
    return rows or [["none: see the notes", "", *("" for _ in columns)]]


def _published_section(columns: list[tuple[str, Result]]) -> list[str]:
    rows = published_rows(columns)
    if not rows:
        return []
    return [
        "## Published measures",
        _table(["", "better", *(name for name, _ in columns)], rows),
        "Each by its protocol, which is below with its hash. Values of different protocols do not compare.",
    ]


def _judge_section(columns: list[tuple[str, Result]]) -> list[str]:
    last = columns[-1][1]
    of_judges = [metric for metric in last.metrics if metric.features == JUDGES and metric.dimension is None]
    shown = [metric for metric in of_judges if not metric.name.endswith(REAL)]
    if not shown:
        return []
    rows = [
        [f"{metric.name}, {metric.unit} ({metric.n} clips)", metric.better, _cell(last.metric(metric.name + REAL))]
        + [_cell(result.metric(metric.name)) for _, result in columns]
        for metric in shown
    ]
    return [
        "## Judges of the tiny world",
        _table(["", "better", "real", *(name for name, _ in columns)], rows),
        "By two small networks that were trained on the tiny world and know nothing else. They err on real clips too: "
        "the real column says how much. The styles are those of the Inception and CLIP scores, "
        "the networks are not: no number here compares with one of the literature. "
        "Shares have Wilson intervals, which have a width even where all or none of the clips is right.",
    ]


def _curve_rows(columns: list[tuple[str, Result]]) -> list[list[str]]:
    rows = []
    for curve in CURVES:
        real = _real_cells(curve, columns[-1][1])
        for ending, what in (
            ("", f"mean ({curve.unit})"),
            (", ratio to real", "ratio to real"),
            (", mismatch to real", "mismatch to real"),
            (", last quarter over first", "last quarter over first"),
        ):
            cells = [_cell(result.metric(curve.name + ending)) for _, result in columns]
            rows.append([curve.name, what, real.get(ending, ""), *cells])
    return rows


def _real_cells(curve: FrameCurve, result: Result) -> dict[str, str]:
    """The real clips' own mean and drift, from their mean curve in the result."""
    values = np.array([next(item.y for item in result.curves if (item.name, item.series) == (curve.name, "real"))])
    drift = drift_metric(curve, values, Resampling(0, 0.95, 0))
    return {"": f"{values.mean():.4g}", ", last quarter over first": _cell(drift)}


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    interval = metric.interval
    return f"{metric.value:.4g}" + (f" [{interval.low:.4g}, {interval.high:.4g}]" if interval else "")


def _interval_words(result: Result) -> str:
    interval = next((metric.interval for metric in result.metrics if metric.interval), None)
    if interval is None:
        return "none, as intervals need 3 clips of each set"
    return f"{interval.level:.0%} intervals from {result.protocol['resamples']} resamples of whole clips"


def _labelled(result: Result, columns: list[tuple[str, Result]]) -> list[str]:
    """A result's notes; those that only one column has are marked with its name."""
    common = set.intersection(*(set(other.notes) for _, other in columns))
    name = next(name for name, other in columns if other is result)
    return [note if note in common else f"{name.capitalize()}: {note}" for note in result.notes]


def _skipped(columns: list[tuple[str, Result]]) -> Iterable[str]:
    return dict.fromkeys(f"`{item.file}`: {item.reason}" for _, result in columns for item in result.skipped)


def _protocol_lines(columns: list[tuple[str, Result]]) -> list[str]:
    first, last = columns[0][1], columns[-1][1]
    lines = [_bullets(f"{key}: {value}" for key, value in last.protocol.items() if key != MEASURES)]
    lines += [_bullets(published_protocols(last))] if MEASURES in last.protocol else []
    lines.append(f"SHA-256 of the protocol: `{last.protocol_sha256}`.")
    if first.protocol_sha256 != last.protocol_sha256:
        changed = ", ".join(key for key in last.protocol if first.protocol[key] != last.protocol[key])
        lines.append(f"**Baseline and generated clips were not measured alike: {changed} differ.**")
    return lines


def _list_section(title: str, items: Iterable[str]) -> list[str]:
    text = _bullets(items)
    return [f"## {title}", text] if text else []


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
