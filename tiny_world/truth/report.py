"""The measured sets written out: a result file each, one table, one picture."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from exvideo_eval import Curve, Data, Metric, Result

from tiny_world.truth.figures import (
    BASE_FRAMES,
    MEASURES,
    RESAMPLING,
    Difference,
    Figure,
    differences,
    figures,
    mean_known,
)
from tiny_world.truth.measured_set import MeasuredSet
from tiny_world.truth.picture import draw

NAME = "tiny-world truth"
DEFINITIONS = "tiny-world truth 2"  # bumped whenever a definition changes a number
LEGEND = f"""Brackets: {RESAMPLING.level:.0%} intervals from {RESAMPLING.resamples} draws of whole clips; parentheses:
the clips that a number rests on. "real" is what the tracker finds in the real files: below that, no set can be told
from the truth. Means leave out the first frame, which is given. Displacement is measured on what moves from its place
alone; displacement error is the distance from the true displacement of the same frame, area error that of the area
ratio from 1. A subject that has left its colour is followed in its new one, which is its colour error; "recoloured" is
the share of what is found that is so. What is not found in any colour has no place, colour or shape, and no part in
those rows: permanence and "censored" count it. "Extra bodies" are second copies of a subject, and any others. "Judged
right" are the frames in which every subject that can be seen is there once, in its colour and shape, and nothing else
is. A comparison is made clip by clip in the frames in which both sets have a value, and so is not quite the difference
of the columns; it is undecided where its interval holds 0."""


def write_report(folder: Path, real: MeasuredSet, sets: Sequence[MeasuredSet]) -> tuple[Path, ...]:
    """Writes `<set>.json` for each set and for the real files, `truth.md` and `truth.png`; returns them.

    The first set is the one that the others are compared with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compared = {measured.name: differences(measured, sets[0]) for measured in sets[1:]}
    results = {
        measured.name: as_result(measured, real, sets[0].name, compared.get(measured.name, ()))
        for measured in (real, *sets)
    }
    paths = [folder / file_name(name) for name in results]
    for path, result in zip(paths, results.values(), strict=True):
        result.save(path)
    table, picture = folder / "truth.md", folder / "truth.png"
    table.write_text(as_markdown(figures(real), results, sets[0].name, compared), encoding="utf-8")
    draw(picture, real, sets)
    return (*paths, table, picture)


def file_name(set_name: str) -> str:
    """Of a set's result, within the report's folder."""
    return f"{set_name.replace(' ', '_')}.json"


def as_result(measured: MeasuredSet, real: MeasuredSet, reference: str, compared: Sequence[Difference]) -> Result:
    """One set as `exvideo.result/2`: figures, differences to the reference, curves and what they rest on."""
    metrics, without = [], []
    for figure in figures(measured):
        metric = figure.metric()
        if metric is None:
            without.append(figure.name)
        else:
            metrics.append(metric)
    for one in compared:
        name = f"{one.figure}, less that of {reference}"
        metrics.append(Metric(name, one.value, one.unit, one.better, n=one.clips, interval=one.interval))
    data = [Data("real", f"clips of the tiny world, {real.num_frames} frames", str(real.folder), len(real.files))]
    if measured is not real:
        what = f"{measured.name}: generated clips, {measured.num_frames} frames"
        data.append(Data("generated", what, str(measured.folder), len(measured.files)))
    return Result.measured_here(
        kind="quality",
        name=NAME,
        protocol={
            "definitions": DEFINITIONS,
            "num_frames": measured.num_frames,
            "base_frames": BASE_FRAMES,
            "real_files_sha256": files_sha256(real.folder, real.files),
            "real_clips": len(real.files),
            **asdict(RESAMPLING),
        },
        metrics=tuple(metrics),
        data=tuple(data),
        curves=tuple(_curves(measured)),
        notes=(f"No clip has a value for: {'; '.join(without)}.",) if without else (),
    )


def as_markdown(
    rows: Sequence[Figure],
    results: Mapping[str, Result],
    reference: str,
    compared: Mapping[str, Sequence[Difference]],
) -> str:
    """The table of all sets: a row a figure, a column a set by its name, and a column a comparison with `reference`."""
    head = ["", "better", *results, *(f"{name} against {reference}" for name in compared)]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [_cell(result.metric(row.name)) for result in results.values()]
        verdicts = [
            _verdict(next((one for one in found if one.figure == row.name), None)) for found in compared.values()
        ]
        lines.append([f"{row.name} ({row.unit})", row.better if row.better != "neutral" else "", *cells, *verdicts])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    clips = "\n".join(f"- {name}: `{result.data[-1].where}`" for name, result in results.items())
    parts = ("# Clips against the truth of the tiny world", clips, "![curves](truth.png)", table, LEGEND)
    return "\n\n".join(parts) + "\n"


def _curves(measured: MeasuredSet) -> list[Curve]:
    """Means over clips by frame index, the true displacement, and how many clips each point rests on."""
    curves = []
    for measure in MEASURES:
        values = measure.of(measured.curves)
        curves.append(_curve(measure.name, measure.unit, measure.better, mean_known(values, axis=0), measured.name))
        clips = np.isfinite(values).sum(axis=0).astype(np.float64)
        curves.append(_curve(f"{measure.name}: clips it rests on", "clips", "neutral", clips, measured.name))
    truth = mean_known(measured.curves["true_displacement"], axis=0)
    curves.append(_curve("displacement", "pixels", "neutral", truth, "truth"))
    return [curve for curve in curves if curve is not None]


def _curve(name: str, unit: str, better: str, values: np.ndarray, series: str) -> Curve | None:
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return None
    return Curve(name, unit, "frame index", tuple(known), tuple(values[known]), better, series)


def files_sha256(folder: Path, files: Sequence[str]) -> str:
    """SHA-256 (hex) of the names and bytes of some files of a folder."""
    total = hashlib.sha256()
    for name in files:
        total.update(name.encode() + (folder / name).read_bytes())
    return total.hexdigest()


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    interval = metric.interval
    return f"{metric.value:.3g}{f' [{interval.low:.3g}, {interval.high:.3g}]' if interval else ''} ({metric.n})"


def _verdict(difference: Difference | None) -> str:
    if difference is None:
        return ""
    interval = difference.interval
    bounds = f" [{interval.low:+.3g}, {interval.high:+.3g}]" if interval else ""
    return f"{difference.verdict}: {difference.value:+.3g}{bounds} ({difference.clips})"
