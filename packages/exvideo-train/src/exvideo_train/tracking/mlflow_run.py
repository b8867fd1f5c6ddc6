"""The run on the tracking server. Only this module knows MLflow."""

import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from exvideo_train.config import TrainConfig
from exvideo_train.tracking.metrics_file import MetricsFile, Record
from exvideo_train.tracking.provenance import parameters
from exvideo_train.tracking.run_note import Item, RunNote
from exvideo_train.tracking.sender import warn

LINES_AT_ONCE = 200
# The server takes no more in one request, and no longer values.
METRICS_AT_ONCE, PARAMETERS_AT_ONCE, PARAMETER_LENGTH, TAG_LENGTH = 1000, 100, 6000, 8000
_SQLITE = "sqlite:///"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a training run reports to nobody but its owner
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the sender has pauses of its own
}


class MlflowRun:
    """The run on the server. All methods may take as long as the server does, and raise whatever MLflow raises.

    Args:
        config: the run.
        note: the state of sending, kept up to date.
        metrics: the figures.
    """

    def __init__(self, config: TrainConfig, note: RunNote, metrics: MetricsFile) -> None:
        self._config, self._note, self._metrics = config, note, metrics
        self.records = self.items = 0  # sent so far, by this object
        self._client: Any = None
        self._alive = False  # the run has been seen on the server since the last failure
        self._lost: str | None = None  # the run that was deleted, until that is told
        self._in_doubt = note.run_id is not None  # the server may have more than the note says
        self._on_server: dict[str, set[int]] = {}  # steps that it has, by figure, as far as it was asked

    def deliver(self) -> None:
        """Sends everything that waits: figures first, then items."""
        try:
            self._client = self._client or _client(self._config)
            if not self._alive:
                self._find_or_create()
            while not self._note.frozen and (lines := self._metrics.read(self._note.sent, LINES_AT_ONCE)):
                self._send(lines)
            for item in self._note.unsent():
                if not self._note.frozen:
                    self._send_item(item)
        except Exception:
            self._alive = False
            raise

    def _find_or_create(self) -> None:
        run = self._find()
        if run is None and self._note.run_id is not None:
            self._lost = self._note.run_id
            self._note.start_over()
        if run is None:
            run = self._created()
            self._in_doubt, self._on_server = False, {}
            self._note.run_id = run.info.run_id
            self._note.save()
        missing = {key: value for key, value in parameters(self._config).items() if key not in run.data.params}
        from mlflow.entities import Param

        params = [Param(key, _cut(value, PARAMETER_LENGTH)) for key, value in missing.items()]
        for start in range(0, len(params), PARAMETERS_AT_ONCE):
            self._client.log_batch(self._note.run_id, params=params[start : start + PARAMETERS_AT_ONCE])
        self._alive = True

    def _find(self) -> Any:
        """The run of the note; None if there is none, or it was deleted, be it with its experiment."""
        from mlflow.exceptions import MlflowException

        if self._note.run_id is None:
            return None
        try:
            run = self._client.get_run(self._note.run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return run if run.info.lifecycle_stage == "active" else None

    def _created(self) -> Any:
        """A new run, or the one that an earlier attempt made without hearing of it."""
        self._note.save()  # the token is known before the run is
        name, experiment = self._experiment()
        made = self._client.search_runs([experiment], f"tags.`exvideo.run` = '{self._note.token}'", max_results=1)
        tags = {"exvideo.run": self._note.token}
        run = made[0] if made else self._client.create_run(experiment, run_name=self._config.output.name, tags=tags)
        if self._lost is not None:
            warn(f"Run {self._lost} was deleted from {place(self._config)}: a new one, in {name}, gets all figures.")
        elif name != self._config.tracking.experiment:
            deleted = self._config.tracking.experiment
            warn(f"The experiment {deleted} was deleted from {place(self._config)}: this run is in {name}.")
        self._lost = None
        return run

    def _experiment(self) -> tuple[str, str]:
        """Name and id. A deleted experiment keeps its name: the next free one of name-2, name-3, ... is taken."""
        wanted = name = self._config.tracking.experiment
        number = 1
        while (experiment := self._client.get_experiment_by_name(name)) is not None:
            if experiment.lifecycle_stage == "active":
                return name, str(experiment.experiment_id)
            number += 1
            name = f"{wanted}-{number}"
        # Artifacts of a local run stay in its folder; a server has a place of its own.
        folder = (self._config.output / "mlartifacts").absolute().as_uri()
        location = folder if self._config.tracking.uri is None else None
        return name, str(self._client.create_experiment(name, artifact_location=location))

    def _send(self, lines: list[Record | None]) -> None:
        from mlflow.entities import Metric

        records = [record for record in lines if record is not None]
        metrics = [
            Metric(name, value, timestamp=milliseconds(record.time), step=record.step)
            for record in records
            for name, value in record.figures.items()
            if record.step not in self._steps_on_server(name, records[0].step)
        ]
        try:
            for start in range(0, len(metrics), METRICS_AT_ONCE):
                self._client.log_batch(self._note.run_id, metrics=metrics[start : start + METRICS_AT_ONCE])
        except Exception:
            self._in_doubt, self._on_server = True, {}  # it may have come through, without an answer
            raise
        self._note.sent += len(lines)
        self._note.save()
        self.records += len(records)

    def _steps_on_server(self, name: str, first: int) -> set[int]:
        if not self._in_doubt:
            return set()
        if name not in self._on_server:
            history = self._client.get_metric_history(self._note.run_id, name)
            self._on_server[name] = {metric.step for metric in history if metric.step >= first}
        return self._on_server[name]

    def _send_item(self, item: Item) -> None:
        getattr(self, f"_send_{item.kind}")(item)
        item.sent = True
        self._note.save()
        self.items += 1

    def _send_tag(self, item: Item) -> None:
        self._client.set_tag(self._note.run_id, item.name, _cut(item.value, TAG_LENGTH))

    def _send_status(self, item: Item) -> None:
        status, _, ended = item.value.partition(" ")
        if ended:
            self._client.set_terminated(self._note.run_id, status, end_time=int(ended))
        else:
            self._client.update_run(self._note.run_id, status=status)

    def _send_text(self, item: Item) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / item.name
            path.write_text(item.value, encoding="utf-8")
            self._client.log_artifact(self._note.run_id, str(path))

    def _send_file(self, item: Item) -> None:
        path = self._config.output / item.name  # an absolute name stays as it is
        if not path.is_file():
            warn(f"{path} was removed before it was sent: it is not among the artifacts of the run.")
            return
        folder = None if Path(item.name).is_absolute() else Path(item.name).parent.as_posix()
        self._client.log_artifact(self._note.run_id, str(path), None if folder == "." else folder)

    def _send_model(self, item: Item) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(item.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if self._client.search_model_versions(f"name = '{item.name}' and run_id = '{self._note.run_id}'"):
            return
        source = f"{self._client.get_run(self._note.run_id).info.artifact_uri}/{item.value}"
        self._client.create_model_version(item.name, source, self._note.run_id, await_creation_for=0)


def place(config: TrainConfig) -> str:
    """The server of a run, in the words of a message."""
    return f"MLflow at {config.tracking.uri or config.output / 'mlflow.db'}"


def milliseconds(seconds: float) -> int:
    """The server's unit of time."""
    return round(1000 * seconds)


def _client(config: TrainConfig) -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for talkative in ("mlflow.store", "alembic"):  # the making of a new database, table by table
        logging.getLogger(talkative).setLevel(logging.ERROR)
    uri = config.tracking.uri or f"{_SQLITE}{(config.output / 'mlflow.db').absolute()}"
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    if uri.startswith(_SQLITE) and path and not path.startswith(":"):
        _make_database(Path(path))
    return MlflowClient(uri)


def _make_database(path: Path) -> None:
    """Makes an SQLite database of MLflow's, unless it is there; two at once, or one that is killed, spoil nothing.

    MLflow itself makes it table by table in its place, for seconds, and cannot go on with one that is half made.
    """
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        MlflowClient(f"{_SQLITE}{temporary.absolute()}").search_experiments(max_results=1)
        with suppress(FileExistsError):  # another process was faster
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise
            except OSError:  # a filesystem without links
                if not path.exists():
                    os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
