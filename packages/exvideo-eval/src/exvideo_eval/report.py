"""Writes an evaluation out: report.json, baseline.json, against_baseline.json, report.md, report.png, report.html."""

import os
from pathlib import Path

from exvideo_eval.markdown import as_markdown
from exvideo_eval.page import MEASURE, page_of, write_page
from exvideo_eval.plots import draw
from exvideo_eval.suite import Evaluation


def write_report(
    folder: str | Path, evaluation: Evaluation, num_examples: int = 6, examples_by: str = MEASURE
) -> tuple[Path, ...]:
    """Write the report's files into a folder, made if need be; an earlier report there is replaced. Returns them.

    Args:
        num_examples: clips that report.html shows, from the best to the worst; none, and no page, for 0.
        examples_by: the measure that says which clips are best.

    Raises:
        ValueError: the folder cannot be made or written to; a clip cannot be read any more; or the clips have no
            values of `examples_by`.
    """
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
