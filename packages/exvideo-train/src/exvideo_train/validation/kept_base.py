"""The base's own held-out figures: measured once in a run's life, and kept in its folder."""

import json
from pathlib import Path
from typing import Any

from exvideo_train.atomic import write_json
from exvideo_train.errors import TrainingStoppedError
from exvideo_train.validation.evaluation import Evaluation
from exvideo_train.validation.held_out import Validation

FILE = "base.json"


def evaluate_base(network: Any, fingerprint: str, validation: Validation, folder: Path) -> Evaluation:
    """The evaluation of the base run directly at the extended length, kept or made now; every process must call.

    Args:
        network: the base, not extended; it is in evaluation mode on return.
        fingerprint: of its weights.
        folder: of the run's evaluations.

    Raises:
        TrainingStoppedError: it was asked to stop.
    """
    processes, path = validation.processes, folder / FILE
    key = {"base": fingerprint, "held_out": processes.together(validation.content)}
    network.eval()
    kept = processes.together(lambda: _read(path, key))
    if kept is not None:
        return kept
    made = validation(network, next(network.parameters()).dtype)
    if made is None:
        raise TrainingStoppedError("Stopped before the first step: the same command goes on.")
    processes.together(lambda: write_json(path, {"of": key, "evaluation": made.to_json()}))
    return made


def _read(path: Path, key: dict[str, str]) -> Evaluation | None:
    """The evaluation of a file, if it is of this base on these clips."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Evaluation.from_json(content["evaluation"]) if content["of"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
