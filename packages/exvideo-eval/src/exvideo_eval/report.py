"""Writes an evaluation out: report.json, baseline.json, against_baseline.json, report.md to read, report.png to see."""

import os
from pathlib import Path

from exvideo_eval.markdown import as_markdown
from exvideo_eval.plots import draw
from exvideo_eval.suite import Evaluation


def write_report(folder: str | Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write the report's files into a folder, made if need be; an earlier report there is replaced. Returns them.

    Raises:
        ValueError: the folder cannot be made or written to.
    """
    folder = Path(folder)
    results = {
        folder / "report.json": evaluation.generated,
        folder / "baseline.json": evaluation.baseline,
        folder / "against_baseline.json": evaluation.contrast,
    }
    markdown, picture = folder / "report.md", folder / "report.png"
    try:
        for path, result in results.items():
            if result is not None:
                result.save(path)
            else:
                path.unlink(missing_ok=True)  # of an earlier report, which this one replaces
        _write_text(markdown, as_markdown(evaluation))
        draw(evaluation, picture)
    except OSError as error:
        raise ValueError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    return (*(path for path, result in results.items() if result is not None), markdown, picture)


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
