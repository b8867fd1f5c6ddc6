"""Writes an evaluation out: report.json, baseline.json, against_baseline.json, report.md, report.png, report.html."""

import os
from collections.abc import Sequence
from pathlib import Path

from exvideo_eval.markdown import as_markdown
from exvideo_eval.page import MEASURE, page_of, write_page
from exvideo_eval.page.ranking import ranking_of, require_possible
from exvideo_eval.plots import draw
from exvideo_eval.suite import Evaluation
from exvideo_eval.whole_file import replacing


def require_report(folder: str | Path, num_examples: int, examples_by: str, measures: Sequence[str] = ()) -> None:
    """Looks at what `write_report` will be asked, before anything is measured for it.

    Args:
        measures: names of the measures that are added, published ones and those of clips.

    Raises:
        ValueError: a negative number of clips, a measure that no clips have values of, or a folder that cannot be
            written to.
    """
    _require_examples(num_examples)
    if num_examples:
        require_possible(examples_by, measures)
    place = next(place for place in (Path(folder), *Path(folder).absolute().parents) if os.path.lexists(place))
    if not place.is_dir():
        raise ValueError(f"The report cannot be written to {folder}: {place} is no folder.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"The report cannot be written to {folder}: nothing may be written in {place}.")


def _require_examples(num_examples: int) -> None:
    if num_examples < 0:
        raise ValueError(f"examples is {num_examples}: give 0 for no page, or more.")


def write_report(
    folder: str | Path, evaluation: Evaluation, num_examples: int = 6, examples_by: str = MEASURE
) -> tuple[Path, ...]:
    """Write the report's files into a folder, made if need be; an earlier report there is replaced. Returns them.

    Args:
        num_examples: clips that report.html shows, from the best to the worst; none, and no page, for 0.
        examples_by: the measure that says which clips are best.

    Raises:
        ValueError: the clips have no values of `examples_by`, or the number of clips is negative: nothing is written;
            the folder cannot be made or written to; or a clip cannot be read any more.
    """
    _require_examples(num_examples)
    if num_examples:
        ranking_of(evaluation.generated, (), examples_by)
    folder = Path(folder)
    results = {
        folder / "report.json": evaluation.generated,
        folder / "baseline.json": evaluation.baseline,
        folder / "against_baseline.json": evaluation.contrast,
    }
    markdown, picture, page = (folder / f"report.{ending}" for ending in ("md", "png", "html"))
    try:
        for path, result in results.items():
            if result is not None:
                result.save(path)
            else:
                path.unlink(missing_ok=True)  # of an earlier report, which this one replaces
        text = as_markdown(evaluation)
        _write_text(markdown, text)
        draw(evaluation, picture)
        if num_examples:
            write_page(page, page_of(evaluation.generated, evaluation.baseline, text, num_examples, examples_by))
        else:
            page.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    written = (*(path for path, result in results.items() if result is not None), markdown, picture)
    return (*written, page) if num_examples else written


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
