"""Figures of a run, recorded in its folder and followed to MLflow by a thread that training never waits for."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exvideo_train.config import TrainConfig
from exvideo_train.errors import UserError
from exvideo_train.tracking.metrics_file import MetricsFile, Record, parse
from exvideo_train.tracking.mlflow_run import MlflowRun, milliseconds, place
from exvideo_train.tracking.provenance import git_commit, resolved_yaml, versions_json
from exvideo_train.tracking.run_note import RunNote
from exvideo_train.tracking.sender import Sender, reason, warn
from exvideo_train.tracking.system_figures import SystemFigures

EXTENSION = "extension.safetensors"


class Tracker:
    """Records figures of a run that may be killed and resumed at any step. No state of MLflow stops or delays it.

    Args:
        config: the run; its output folder must exist.
        from_step: figures of later steps, recorded before the run was killed, are dropped; they will come again.
            From step 0, all are.
        validated: the step of the last evaluation that stays; None for `from_step`.
    """

    def __init__(self, config: TrainConfig, from_step: int, validated: int | None = None) -> None:
        self._config, self._from_step = config, from_step
        self._metrics = MetricsFile(config.output / "metrics.jsonl")
        self._note = _note(config)
        _drop_after(self._metrics, self._note, from_step, from_step if validated is None else validated)
        self._metrics.open()
        _describe(config, self._note)
        self._note.put("status", "", "RUNNING")
        self._system = SystemFigures() if config.tracking.system_metrics else None
        self._sender = Sender(MlflowRun(config, self._note, self._metrics).deliver, place(config))
        self._sender.start()

    def record(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds figures of one step (updates made so far): a line in metrics.jsonl, sent later."""
        self._metrics.append(step, {**figures, **(self._system.due() if self._system else {})})
        self._sender.wake()

    def note_changes(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        """Tags the run with settings that a resumed run changes: from key to the value before and the one now."""
        for key, (old, new) in changes.items():
            before = self._note.get("tag", f"changed.{key}")
            words = f"step {self._from_step}: {old} -> {new}"
            self._note.put("tag", f"changed.{key}", f"{before}; {words}" if before else words)
        self._sender.wake()

    def artifact(self, path: Path) -> None:
        """Adds a file to the run's artifacts; it is read later, and must stay. A path that was added is sent anew."""
        path = path.absolute()
        output = self._config.output.absolute()
        self._note.put("file", str(path.relative_to(output) if path.is_relative_to(output) else path), "")
        self._sender.wake()

    def close(self, status: str = "FINISHED", patience: float = 20.0) -> None:
        """Ends the run; waits at most `patience` seconds until all is sent, and says so if something is not.

        Args:
            status: "FINISHED", "FAILED" or "KILLED".
            patience: seconds.
        """
        self._metrics.close()
        name = self._config.tracking.registered_model
        if status == "FINISHED" and name is not None and self._note.get("file", EXTENSION) is not None:
            self._note.put("model", name, EXTENSION)
        self._note.put("status", "", f"{status} {milliseconds(time.time())}")
        self._sender.wake()
        through = self._sender.finish(patience)
        self._note.freeze()
        if not through:
            records, items = len(self._metrics.lines()) - self._note.sent, len(self._note.unsent())
            warn(
                f"Not sent to {place(self._config)} so far: {records} records of {self._metrics.path} and {items} "
                "tags and files. `exvideo-train --config x.yaml --sync` sends them."
            )


def sync(config: TrainConfig) -> str:
    """Sends what a run, ended or killed, has left unsent.

    Returns:
        A sentence that says what was sent.

    Raises:
        UserError: there is no such run, or it still goes on.
        ConnectionError: the server cannot be reached; one sentence.
    """
    metrics = MetricsFile(config.output / "metrics.jsonl")
    if not metrics.path.is_file():
        raise UserError(f"{metrics.path} does not exist: there is nothing to send before the run has begun.")
    try:
        if not metrics.open():
            raise UserError(f"The run in {config.output} goes on, and sends its figures itself: sync it after its end.")
        return _sent(config, metrics)
    finally:
        metrics.close()


def _sent(config: TrainConfig, metrics: MetricsFile) -> str:
    note = _note(config)
    if note.get("text", "config.yaml") is None:
        _describe(config, note)
    run = MlflowRun(config, note, metrics)
    try:
        run.deliver()
    except Exception as error:
        raise ConnectionError(f"{place(config)} cannot be reached ({reason(error)}): try again later.") from error
    return (
        f"Sent {run.records} records, {run.items} tags and files to {place(config)}; "
        f"all {note.sent} records are in run {note.run_id}."
    )


def _note(config: TrainConfig) -> RunNote:
    note = RunNote(config.output / "mlflow_run.json", config.tracking.uri)
    if note.complaint:
        warn(note.complaint)
    return note


def _describe(config: TrainConfig, note: RunNote) -> None:
    note.put("text", "config.yaml", resolved_yaml(config))
    note.put("text", "versions.json", versions_json())
    commit = git_commit()
    if commit is not None:
        note.put("tag", "mlflow.source.git.commit", commit)


def _drop_after(metrics: MetricsFile, note: RunNote, step: int, validated: int) -> None:
    lines = metrics.lines()
    stays = [_stays(parse(line), step, validated) for line in lines]
    # Before the lines: killed between the two, this counts what is already counted, and not too much.
    note.sent = sum(stays[: note.sent])
    note.save()
    metrics.replace([line.rstrip("\n") + "\n" for line, kept in zip(lines, stays, strict=True) if kept])


def _stays(record: Record | None, step: int, validated: int) -> bool:
    if record is None or step == 0:
        return False
    if any(name.startswith("samples/") for name in record.figures):  # a step's clips are made once
        return record.step <= step
    return record.step <= (step if "loss" in record.figures else min(step, validated))
