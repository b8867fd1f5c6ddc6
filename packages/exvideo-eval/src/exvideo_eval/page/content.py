"""The page of an evaluation: which clips it shows, and where their files lie."""

from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

from exvideo_eval.folder import clip_name, list_files
from exvideo_eval.page.examples import Example, choose
from exvideo_eval.page.ranking import ranking_of
from exvideo_eval.page.write import PageContent, Row
from exvideo_eval.result_parts import Curve
from exvideo_eval.results import Result
from exvideo_eval.shown_name import shown_name
from exvideo_eval.video_reader import VideoReadError, probe

MEASURE = "motion energy"  # what long clips lose first when they freeze, and gain when they flicker
_REAL, _BASELINE, _GENERATED = "real", "baseline", "generated"
_DEFAULT_FPS = 8.0


def page_of(
    generated: Result, baseline: Result | None, report: str, num_examples: int, measure: str = MEASURE
) -> PageContent:
    """The page of a result, and of a baseline's beside it.

    Args:
        report: in Markdown, beneath the clips; without its title, as the page has one.
        num_examples: clips that are shown, from the best to the worst.
        measure: by which; one whose values the result has clip by clip, as of a mean.

    Raises:
        ValueError: as `ranking_of`.
        VideoReadError: a clip that is to be shown is gone.
    """
    results = {_BASELINE: baseline, _GENERATED: generated}
    folders = {who: Path(result.data[-1].where) for who, result in results.items() if result is not None}
    folders = {_REAL: Path(generated.data[0].where), **folders}
    counted = [result for result in results.values() if result is not None]
    left_out = {item.file for result in counted for item in result.skipped if not item.measure}
    files = {who: _files(folder, left_out) for who, folder in folders.items()}
    ranking = ranking_of(generated, files[_GENERATED], measure)
    examples = choose(ranking, num_examples)
    rows = [_row(example, files) for example in examples]
    if not files[_REAL].keys() & files[_GENERATED].keys():
        rows = _beside_strangers(rows, list(files[_REAL].values()))
    protocol = generated.protocol
    return PageContent(
        title="Generated clips against real clips",
        lead=_lead(generated, files),
        measure=ranking.measure,
        rows=rows,
        num_frames=protocol["num_frames"],
        size=(protocol["height"], protocol["width"]),
        fps=_fps(rows),
        curves=_curves(results),
        report=report.partition("\n\n")[2] if report.startswith("# ") else report,  # the page has a title of its own
    )


def _files(folder: Path, left_out: Set[str]) -> dict[str, Path]:
    """Videos by the name they are paired by, without those that were left out of the result."""
    return {clip_name(folder, path): path for path in list_files("shown", folder) if shown_name(path) not in left_out}


def _row(example: Example, files: Mapping[str, Mapping[str, Path]]) -> Row:
    if example.name not in files[_GENERATED]:
        raise VideoReadError(example.name, "was measured and is gone: leave the clips where they are and start again")
    return Row(example, {who: of.get(example.name) for who, of in files.items()})


def _beside_strangers(rows: list[Row], real: list[Path]) -> list[Row]:
    """The rows with real clips of other names, taken evenly from all of them."""
    places = [place * len(real) // len(rows) for place in range(len(rows))]
    return [
        Row(row.example, {**row.clips, _REAL: real[place]}, is_paired=False)
        for row, place in zip(rows, places, strict=True)
    ]


def _lead(result: Result, files: Mapping[str, Mapping[str, Path]]) -> str:
    paired = len(files[_REAL].keys() & files[_GENERATED].keys())
    counts = f"{result.data[-1].count} generated clips of {result.data[-1].where}, {result.data[0].count} real clips"
    pairs = f"{paired} files of one name" if paired else "none of one name, so that any stand beside each other"
    return f"{counts}, {pairs}. Measured {result.created}."


def _fps(rows: list[Row]) -> float:
    """That of the first generated clip which is shown."""
    for row in rows:
        path = row.clips[_GENERATED]
        if path is not None:
            return probe(path).fps or _DEFAULT_FPS
    return _DEFAULT_FPS


def _curves(results: Mapping[str, Result | None]) -> dict[str, dict[str, Curve]]:
    """By name and series; the real ones once, as all results hold the same."""
    curves: dict[str, dict[str, Curve]] = {}
    for who, result in results.items():
        for curve in () if result is None else result.curves:
            of_name = curves.setdefault(curve.name, {})
            of_name[_REAL if curve.series == _REAL else who] = replace(curve, series=who)
    order = (_REAL, _BASELINE, _GENERATED)
    return {name: {who: found[who] for who in order if who in found} for name, found in curves.items()}
