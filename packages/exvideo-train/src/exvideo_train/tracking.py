"""Figures of a run, recorded: `metrics.jsonl` in the run's folder, one line a step, and MLflow."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from exvideo_train.config import TrainConfig


class Tracker:
    """Records figures of a run that may be killed and resumed at any step.

    Args:
        config: the run.
        from_step: figures of later steps, recorded before the run was killed, are dropped; they will come again.
    """

    def __init__(self, config: TrainConfig, from_step: int) -> None:
        self.path = config.output / "metrics.jsonl"
        _drop_lines_after(self.path, from_step)
        self._file = self.path.open("a", encoding="utf-8")
        # A training run reports to nobody but its owner.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        for talkative in ("mlflow.store", "alembic"):  # the making of a new database, table by table
            logging.getLogger(talkative).setLevel(logging.WARNING)
        self._client = MlflowClient(config.tracking.uri or f"sqlite:///{(config.output / 'mlflow.db').absolute()}")
        self._run_id = self._resume_run(config) or self._new_run(config)

    def record(self, step: int, figures: dict[str, float]) -> None:
        """Adds figures of one step (updates made so far)."""
        from mlflow.entities import Metric

        self._file.write(json.dumps({"step": step, **figures}) + "\n")
        self._file.flush()
        metrics = [Metric(name, value, timestamp=0, step=step) for name, value in figures.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self) -> None:
        """Marks the run as finished."""
        self._file.close()
        self._client.set_terminated(self._run_id)

    def _resume_run(self, config: TrainConfig) -> str | None:
        note = config.output / "mlflow_run.json"
        if not note.is_file():
            return None
        run_id: str = json.loads(note.read_text())["run_id"]
        self._client.update_run(run_id, status="RUNNING")
        return run_id

    def _new_run(self, config: TrainConfig) -> str:
        name = config.tracking.experiment
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            # Artifacts of a local run stay in its folder; a server has a place of its own.
            folder = None if config.tracking.uri else (config.output / "mlartifacts").absolute().as_uri()
            experiment_id = self._client.create_experiment(name, artifact_location=folder)
        else:
            experiment_id = experiment.experiment_id
        run_id: str = self._client.create_run(experiment_id, run_name=config.output.name).info.run_id
        for key, value in _flat(config.model_dump(mode="json")).items():
            self._client.log_param(run_id, key, value)
        note = config.output / "mlflow_run.json"
        temporary = note.with_suffix(".tmp")
        temporary.write_text(json.dumps({"run_id": run_id}))
        os.replace(temporary, note)
        return run_id


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _drop_lines_after(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            figures = json.loads(line)
        except ValueError:  # the line that the kill cut
            continue
        if figures["step"] <= step:
            kept.append(line + "\n")
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    os.replace(temporary, path)
