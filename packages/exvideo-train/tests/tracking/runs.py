"""Runs of nothing but records, and servers of MLflow for them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.tracking import Tracker
from mlflow import MlflowClient

LONGEST_RECORD = 0.05  # seconds
PATIENCE = 180.0  # seconds; a server starts in ten, on a machine that others use in sixty
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


def finished(run: Run, tracker: Tracker, steps: range, status: str = "FINISHED", every: int = 10) -> None:
    run.record(tracker, steps, every=every)
    tracker.close(status, patience=PATIENCE)
