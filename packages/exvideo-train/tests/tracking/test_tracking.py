"""Tracking, against real MLflow: databases and servers that are absent, die, hang, or forget."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from exvideo_train.cli import main
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.errors import UserError
from exvideo_train.tracking import Tracker
from mlflow import MlflowClient

LONGEST_RECORD = 0.05  # seconds
PATIENCE = 180.0  # seconds; a server starts in ten, on a machine that others use in sixty


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow's: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow") / "blank.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


class Run:
    """A run of nothing but records: each step's loss is its number."""

    def __init__(self, folder: Path, blank: Path) -> None:
        self.output, self.blank = folder / "run", blank
        self.output.mkdir()
        shutil.copy(blank, self.output / "mlflow.db")
        self.yaml = folder / "run.yaml"
        self.seconds: list[float] = []  # that each record took

    def config(self, **tracking: Any) -> TrainConfig:
        values = {
            "base": "embedded",
            "output": str(self.output),
            "extension": {"num_frames": 10},
            "data": {"videos": "clips", "size": [32, 32]},
            "optimizer": {"steps": 4},
            "tracking": tracking,
        }
        self.yaml.write_text(yaml.safe_dump(values))
        return load_config(self.yaml)

    def record(self, tracker: Tracker, steps: range, pause: float = 0.0, every: int = 10) -> None:
        for step in steps:
            started = time.perf_counter()
            tracker.record(step, {"loss": float(step), "rate": 0.5})
            self.seconds.append(time.perf_counter() - started)
            if step % every == 0:
                tracker.record(step, {"validation/loss": step / 2})
            time.sleep(pause)

    def assert_no_record_waited(self) -> None:
        """None for a server, whose time limit is a second; a busy machine may have held up one."""
        *others, longest = sorted(self.seconds)
        assert max(others) < LONGEST_RECORD
        assert longest < 0.5

    @property
    def note(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.output / "mlflow_run.json").read_text())
        return content

    @property
    def own_client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.output / 'mlflow.db'}")

    def expected(self) -> dict[str, list[tuple[int, float, int]]]:
        """By figure: step, value and milliseconds of metrics.jsonl."""
        found: dict[str, list[tuple[int, float, int]]] = {}
        for line in (self.output / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            step, at = record.pop("step"), record.pop("time")
            for name, value in record.items():
                found.setdefault(name, []).append((step, value, round(1000 * at)))
        return found

    def assert_all_arrived_once(self, client: MlflowClient, same_times: bool = True) -> Any:
        """The run on the server, which has each figure of metrics.jsonl once, and no other."""
        run = client.get_run(self.note["run_id"])
        expected = self.expected()
        assert set(run.data.metrics) == set(expected)
        for name, figures in expected.items():
            history = client.get_metric_history(run.info.run_id, name)
            assert sorted((m.step, m.value) for m in history) == sorted(figure[:2] for figure in figures), name
            if same_times:
                assert sorted(m.timestamp for m in history) == sorted(figure[2] for figure in figures)
        return run


@pytest.fixture
def run(tmp_path: Path, blank_store: Path) -> Run:
    return Run(tmp_path, blank_store)


class Server:
    """An MLflow server on a port and a database that stay the same when it is started again."""

    def __init__(self, folder: Path, blank: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri, self.store = f"http://127.0.0.1:{self.port}", f"sqlite:///{folder / 'server.db'}"
        shutil.copy(blank, folder / "server.db")
        self.client = MlflowClient(self.store)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self.store, "--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--workers", "1"], stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def server(tmp_path: Path, blank_store: Path) -> Iterator[Server]:
    server = Server(tmp_path, blank_store)
    yield server
    server.kill()


@pytest.fixture
def hanging_uri() -> Iterator[str]:
    """A server that takes every connection and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sent(path: Path) -> int:
    """Lines that a note says are sent; 0 where there is none yet."""
    return int(json.loads(path.read_text())["sent"]) if path.is_file() else 0


def has_sent(path: Path, lines: int) -> bool:
    return sent(path) > lines


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


# --- servers that are not there --------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_server_that_is_down_at_the_start_and_dies_in_mid_run_gets_every_figure_once(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exvideo_train.tracking.sender.LONGEST_PAUSE", 1.0)
    tracker = Tracker(run.config(uri=server.uri), 0)
    run.record(tracker, range(1, 31))
    server.start()
    lines: list[str] = []
    while len(lines) < 2:  # away, and back
        lines += told(capsys)
        time.sleep(0.05)
    server.kill()
    run.record(tracker, range(31, 61), pause=0.05)  # so that it is missed
    assert run.note["sent"] == 33
    server.start()
    run.record(tracker, range(61, 91), pause=0.01)
    tracker.close(patience=PATIENCE)
    assert run.assert_all_arrived_once(server.client).info.status == "FINISHED"
    run.assert_no_record_waited()
    away, back, away_again, back_again = lines + told(capsys)
    assert away.startswith(f"MLflow at {server.uri} cannot be reached (")
    assert away_again.startswith(f"MLflow at {server.uri} cannot be reached (")
    assert back == back_again == f"MLflow at {server.uri} has been reached again; all that waited is sent."


def test_a_server_that_hangs_stops_nothing(
    run: Run, hanging_uri: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    config = run.config(uri=hanging_uri)
    tracker = Tracker(config, 0)
    run.record(tracker, range(1, 101), pause=0.02)
    started = time.monotonic()
    tracker.close(patience=1)
    assert time.monotonic() - started < 2
    run.assert_no_record_waited()
    first, last = told(capsys)
    assert first.startswith(f"MLflow at {hanging_uri} cannot be reached (")
    unsent = f"Not sent to MLflow at {hanging_uri} so far: 110 records of {run.output / 'metrics.jsonl'} and "
    assert last.startswith(unsent)
    assert last.endswith("`exvideo-train --config x.yaml --sync` sends them.")


@pytest.mark.long
def test_a_process_ends_though_the_server_hangs_and_sync_sends_what_it_left(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    run.config(uri=server.uri)
    with socket.socket() as listener:  # in the server's place
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", server.port))
        listener.listen(64)
        done = subprocess.run(
            [sys.executable, "-c", RECORDING.replace("PATIENCE", "1"), str(run.yaml), "0", "50"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Not sent to" in done.stderr
    assert main(["--config", str(run.yaml), "--sync"]) == 1
    assert len(told(capsys)) == 1
    server.start()
    server.wait()
    until(lambda: main(["--config", str(run.yaml), "--sync"]) == 0)
    assert "Sent 50 records" in capsys.readouterr().out
    found = run.assert_all_arrived_once(server.client)
    assert found.info.status == "FINISHED"
    assert {file.path for file in MlflowClient(server.uri).list_artifacts(found.info.run_id)} == {
        "config.yaml", "versions.json",
    }  # fmt: skip


# A process that records steps as fast as it can: configuration, step to go on from, last step.
RECORDING = """
import sys
from exvideo_train.config import load_config
from exvideo_train.tracking import Tracker
start, end = int(sys.argv[2]), int(sys.argv[3])
tracker = Tracker(load_config(sys.argv[1]), start)
for step in range(start + 1, end + 1):
    tracker.record(step, {"loss": float(step), "rate": 0.5})
tracker.close(patience=PATIENCE)
"""


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 3])
def test_killed_while_it_sends_and_resumed_from_an_earlier_step_each_figure_is_there_once(run: Run, times: int) -> None:
    config, note = run.config(), run.output / "mlflow_run.json"
    for _ in range(times):
        script = RECORDING.replace("PATIENCE", "600")
        process = subprocess.Popen([sys.executable, "-c", script, str(run.yaml), "100", "100000"])
        enough = sent(note) + 400
        until(partial(has_sent, note, enough))
        process.kill()
        process.wait()
    tracker = Tracker(config, 150)
    run.record(tracker, range(151, 1001))
    last = max(m.step for m in run.own_client.get_metric_history(run.note["run_id"], "loss"))
    run.record(tracker, range(1001, max(1100, last) + 1))
    tracker.close(patience=300)
    run.assert_all_arrived_once(run.own_client, same_times=False)


@pytest.mark.long
def test_two_processes_that_make_one_database_both_succeed(tmp_path: Path, blank_store: Path) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(Run(tmp_path / name, blank_store))
        runs[-1].config(uri=f"sqlite:///{tmp_path / 'shared.db'}")
    script = RECORDING.replace("PATIENCE", "200")
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(run.yaml), "0", "20"], cwd=tmp_path) for run in runs
    ]
    assert [process.wait() for process in processes] == [0, 0]
    client = MlflowClient(f"sqlite:///{tmp_path / 'shared.db'}")
    assert [run.assert_all_arrived_once(client).info.status for run in runs] == ["FINISHED"] * 2
    assert len({run.note["run_id"] for run in runs}) == 2


@pytest.mark.long
def test_a_database_appears_when_it_is_whole_though_its_maker_is_killed(tmp_path: Path, blank_store: Path) -> None:
    def tables(path: Path) -> set[str]:
        with closing(sqlite3.connect(path)) as database:
            return {name for (name,) in database.execute("select name from sqlite_master")}

    run, path = Run(tmp_path, blank_store), tmp_path / "new.db"
    run.config(uri=f"sqlite:///{path}")
    command = [sys.executable, "-c", RECORDING.replace("PATIENCE", "200"), str(run.yaml), "0", "20"]
    killed = subprocess.Popen(command, cwd=tmp_path)
    while not list(tmp_path.glob("*new.db*")) and killed.poll() is None:
        time.sleep(0.005)
    time.sleep(0.5)
    killed.kill()
    killed.wait()
    assert not path.exists()
    process = subprocess.Popen(command, cwd=tmp_path)
    while not path.exists() and process.poll() is None:
        time.sleep(0.001)
    assert tables(path) == tables(blank_store)
    assert process.wait() == 0
    run.assert_all_arrived_once(MlflowClient(f"sqlite:///{path}"))


# --- exactly once ----------------------------------------------------------------------------------------------------


def finished(run: Run, tracker: Tracker, steps: range, status: str = "FINISHED", every: int = 10) -> None:
    run.record(tracker, steps, every=every)
    tracker.close(status, patience=PATIENCE)


@pytest.mark.parametrize("every", [10, 2])
def test_figures_that_come_again_after_a_resume_are_not_sent_again_and_new_ones_are(run: Run, every: int) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(38), "FAILED")
    finished(run, Tracker(config, 25), range(26, 61), every=every)
    assert [step for step, _, _ in run.expected()["loss"]] == list(range(61))
    found = run.assert_all_arrived_once(run.own_client, same_times=False)
    assert found.info.status == "FINISHED"


def test_from_step_0_no_line_stays(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(3), "KILLED")
    finished(run, Tracker(config, 0), range(5))
    assert [step for step, _, _ in run.expected()["validation/loss"]] == [0]
    run.assert_all_arrived_once(run.own_client, same_times=False)


def test_figures_that_the_server_has_without_the_note_saying_so_are_not_sent_again(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 31))
    path = run.output / "mlflow_run.json"
    path.write_text(json.dumps(run.note | {"sent": 5}))  # killed between the request and the note of it
    lines = (run.output / "metrics.jsonl").read_text()
    (run.output / "metrics.jsonl").write_text(lines + '{"step": 31, "lo')
    finished(run, Tracker(config, 20), range(21, 36))
    run.assert_all_arrived_once(run.own_client, same_times=False)


def test_a_run_that_was_made_without_an_answer_is_found_again(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 6))
    made = run.note["run_id"]
    (run.output / "mlflow_run.json").write_text(json.dumps(run.note | {"run_id": None, "sent": 0}))
    (run.output / "metrics.jsonl").unlink()
    finished(run, Tracker(config, 0), range(0))
    assert run.note["run_id"] == made


def test_a_batch_that_fails_after_it_came_through_is_not_sent_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = MlflowClient.log_batch
    failures = iter([True, True])
    arrived: list[tuple[str, int]] = []

    def log_batch(self: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> None:
        real(self, run_id, metrics, **others)
        arrived.extend((metric.key, metric.step) for metric in metrics)
        if metrics and next(failures, False):
            raise ConnectionError("no answer")

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    finished(run, Tracker(run.config(), 0), range(1, 31))
    run.assert_all_arrived_once(run.own_client)
    assert len(arrived) == len(set(arrived)) == 63
    assert ["again; all that waited" in line for line in told(capsys)] == [False, True]


# --- servers that forget ---------------------------------------------------------------------------------------------


def forget_run(run: Run) -> None:
    run.own_client.delete_run(run.note["run_id"])


def forget_experiment(run: Run) -> None:
    run.own_client.delete_experiment(run.own_client.get_experiment_by_name("exvideo").experiment_id)


def forget_everything(run: Run) -> None:
    shutil.copy(run.blank, run.output / "mlflow.db")


def damage_note(run: Run) -> None:
    (run.output / "mlflow_run.json").write_text('{"uri": null, "run_id": "')


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (forget_run, "was deleted from MLflow at"),
        (forget_experiment, "was deleted from MLflow at"),
        (forget_everything, "was deleted from MLflow at"),
        (damage_note, "is damaged: tracking begins a new run with all figures."),
    ],
)
def test_a_run_that_is_gone_is_begun_anew_with_all_figures(
    run: Run, capsys: pytest.CaptureFixture[str], forget: Callable[[Run], None], message: str
) -> None:
    config = run.config()
    first = Tracker(config, 0)
    (run.output / "samples").mkdir()
    (run.output / "samples" / "clip.mp4").write_bytes(b"clip")
    first.artifact(run.output / "samples" / "clip.mp4")
    finished(run, first, range(1, 11), "KILLED")
    assert told(capsys) == []
    gone = run.note["run_id"]
    forget(run)
    finished(run, Tracker(config, 10), range(11, 21))
    (line,) = told(capsys)
    assert message in line
    found = run.assert_all_arrived_once(run.own_client)
    assert found.info.run_id != gone
    assert found.data.params["extension.num_frames"] == "10"
    files = {file.path for file in run.own_client.list_artifacts(found.info.run_id)}
    assert files == {"config.yaml", "versions.json"} | (set() if forget is damage_note else {"samples"})
    name = run.own_client.get_experiment(found.info.experiment_id).name
    assert name == ("exvideo-2" if forget is forget_experiment else "exvideo")


def test_an_experiment_that_was_deleted_before_the_run_is_left_as_it_is(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.own_client.create_experiment("exvideo")
    forget_experiment(run)
    finished(run, Tracker(run.config(), 0), range(1, 4))
    (line,) = told(capsys)
    assert line.endswith("this run is in exvideo-2.")
    assert run.own_client.get_experiment_by_name("exvideo").lifecycle_stage == "deleted"
    run.assert_all_arrived_once(run.own_client)


@pytest.mark.long
def test_a_run_and_a_database_that_vanish_are_begun_anew(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 11))
    tracker = Tracker(config, 10)
    run.record(tracker, range(11, 21))
    until(lambda: run.note["sent"] == 22)
    forget_run(run)  # while it goes on
    run.record(tracker, range(21, 31))
    tracker.close(patience=PATIENCE)
    assert sum("was deleted from" in line for line in told(capsys)) == 1
    run.assert_all_arrived_once(run.own_client)
    (run.output / "mlflow.db").unlink()
    finished_by = subprocess.run(
        [sys.executable, "-c", RECORDING.replace("PATIENCE", "200"), str(run.yaml), "30", "40"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "was deleted from" in finished_by.stderr
    assert len(run.expected()["loss"]) == 40
    shutil.copy(run.output / "mlflow.db", run.output / "copy.db")  # this process still has the removed one open
    run.assert_all_arrived_once(MlflowClient(f"sqlite:///{run.output / 'copy.db'}"))


def test_another_server_gets_a_run_of_its_own_with_all_figures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MLflow keeps the files of a database that it is given by its path
    finished(run, Tracker(run.config(), 0), range(1, 11))
    before = run.note["run_id"]
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    shutil.copy(run.blank, tmp_path / "other.db")
    finished(run, Tracker(run.config(uri=uri, experiment="shared"), 10), range(11, 21))
    (line,) = told(capsys)
    assert line.startswith("This run was tracked at mlflow.db in the run's folder: at sqlite:///")
    run.assert_all_arrived_once(MlflowClient(uri))
    assert len(run.own_client.get_metric_history(before, "loss")) == 10


def test_a_note_of_an_earlier_version_is_understood(run: Run) -> None:
    finished(run, Tracker(run.config(), 0), range(1, 11))
    before = run.note["run_id"]
    (run.output / "mlflow_run.json").write_text(json.dumps({"run_id": before}))
    finished(run, Tracker(run.config(), 10), range(11, 21))
    assert run.note["run_id"] == before
    run.assert_all_arrived_once(run.own_client)


# --- all else that a run says of itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_has_its_status_settings_and_files(run: Run, status: str) -> None:
    started = time.time()
    tracker = Tracker(run.config(experiment="x" * 500), 0)
    (run.output / "extension.safetensors").write_bytes(b"extension")
    tracker.artifact(run.output / "extension.safetensors")
    tracker.note_changes({"optimizer.steps": (4, 8), "seed": (0, 1)})
    finished(run, tracker, range(1, 4), status)
    found = run.assert_all_arrived_once(run.own_client)
    assert found.info.status == status
    assert started * 1000 < found.info.end_time < time.time() * 1000
    assert found.data.params["data.size"] == "[32, 32]"
    assert found.data.tags["changed.optimizer.steps"] == "step 0: 4 -> 8"
    assert len(found.data.tags["mlflow.source.git.commit"]) == 40
    folder = run.output / "mlartifacts" / found.info.run_id / "artifacts"
    assert TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text())) == run.config(experiment="x" * 500)
    assert {"python", "torch", "exvideo-train"} <= set(json.loads((folder / "versions.json").read_text()))
    assert (folder / "extension.safetensors").read_bytes() == b"extension"


def test_a_resumed_run_is_running_again(run: Run) -> None:
    finished(run, Tracker(run.config(), 0), range(1, 4))
    tracker = Tracker(run.config(), 3)
    tracker.note_changes({"seed": (0, 1)})
    until(lambda: run.own_client.get_run(run.note["run_id"]).info.status == "RUNNING")
    tracker.close(patience=PATIENCE)
    again = Tracker(run.config(), 3)
    again.note_changes({"seed": (1, 2)})
    again.close(patience=PATIENCE)
    tags = run.own_client.get_run(run.note["run_id"]).data.tags
    assert tags["changed.seed"] == "step 3: 0 -> 1; step 3: 1 -> 2"


def test_values_that_are_too_long_are_cut_and_the_whole_is_in_the_files(run: Run) -> None:
    config = run.config()
    config = config.model_copy(update={"base": "b" * 7000})
    finished(run, Tracker(config, 0), range(1, 4))
    found = run.own_client.get_run(run.note["run_id"])
    assert found.data.params["base"] == "b" * 5997 + "..."
    folder = run.output / "mlartifacts" / found.info.run_id / "artifacts"
    assert yaml.safe_load((folder / "config.yaml").read_text())["base"] == "b" * 7000


def test_a_file_that_is_gone_is_named_and_holds_up_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(run.config(), 0)
    tracker.artifact(run.output / "absent.mp4")
    finished(run, tracker, range(1, 4))
    assert told(capsys) == [
        f"{run.output / 'absent.mp4'} was removed before it was sent: it is not among the artifacts of the run."
    ]


def test_a_finished_extension_becomes_the_next_version_of_a_model(run: Run) -> None:
    for steps in (range(1, 4), range(4, 6)):
        tracker = Tracker(run.config(registered_model="long video"), steps[0] - 1)
        (run.output / "extension.safetensors").write_bytes(b"extension")
        tracker.artifact(run.output / "extension.safetensors")
        finished(run, tracker, steps)
    (version,) = run.own_client.search_model_versions("name = 'long video'")
    assert version.run_id == run.note["run_id"]
    assert version.source.endswith(f"{version.run_id}/artifacts/extension.safetensors")


def test_figures_of_the_machine_are_recorded_if_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(run, Tracker(run.config(system_metrics=True), 0), range(1, 4))
    assert [step for step, _, _ in run.expected()["system/cpu_utilization_percentage"]] == [1]
    run.assert_all_arrived_once(run.own_client)
    monkeypatch.setattr("exvideo_train.config.watch.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking.system_metrics: True is refused, it needs the package psutil"):
        run.config(system_metrics=True)


# --- --sync ----------------------------------------------------------------------------------------------------------


def test_sync_sends_what_is_left_and_says_what_it_cannot(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--config", str(run.yaml), "--sync"]
    config = run.config()
    assert main(command) == 2
    assert "metrics.jsonl does not exist: there is nothing to send" in capsys.readouterr().err
    tracker = Tracker(config, 0)
    assert main(command) == 2
    assert "goes on, and sends its figures itself" in capsys.readouterr().err
    finished(run, tracker, range(1, 21))
    path = run.output / "mlflow_run.json"
    items = [[*item[:3], False] for item in run.note["items"]]
    path.write_text(json.dumps(run.note | {"run_id": None, "token": "another", "sent": 0, "items": items}))
    before = (run.output / "metrics.jsonl").read_bytes()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("Sent 22 records, 4 tags and files to MLflow at ")
    assert run.assert_all_arrived_once(run.own_client).info.status == "FINISHED"
    assert (run.output / "metrics.jsonl").read_bytes() == before
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("Sent 0 records, 0 tags and files to MLflow at ")


def test_sync_trains_nothing_and_says_in_one_line_that_the_server_is_away(run: Run) -> None:
    run.config(uri=f"http://127.0.0.1:{free_port()}")
    (run.output / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    script = (
        "import sys; from exvideo_train.cli import main; status = main(sys.argv[1:]); "
        "print(status, [name for name in ('torch', 'deepspeed') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, "--config", str(run.yaml), "--sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("try again later.\n")
