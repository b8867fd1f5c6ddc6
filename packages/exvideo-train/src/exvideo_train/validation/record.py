"""Evaluations in a run's folder: `validation/step-00000100.json`, and the same as a picture."""

from pathlib import Path

from exvideo_train.atomic import write_json
from exvideo_train.validation.evaluation import Evaluation
from exvideo_train.validation.plot import draw


def write_record(
    folder: Path, step: int, evaluation: Evaluation, base: Evaluation | None, base_rows: int
) -> list[Path]:
    """Writes an evaluation as JSON and as a PNG, and returns their paths.

    Args:
        folder: made if missing.
        step: updates made.
        base: of the base run directly at the same length, where it can be.
        base_rows: temporal rows of the longest clip that the base was trained on.
    """
    path = folder / f"step-{step:08d}.json"
    content = {"step": step, "base_rows": base_rows, **evaluation.to_json()}
    write_json(path, content | {"base": None if base is None else base.to_json()})
    picture = path.with_suffix(".png")
    draw(picture, step, evaluation, base, base_rows)
    return [path, picture]


def drop_records_after(folder: Path, step: int) -> None:
    """Removes what a run has written after the step that it goes on from: it will come again."""
    for path in folder.glob("step-*"):
        if int(path.stem.removeprefix("step-")) > step:
            path.unlink()
