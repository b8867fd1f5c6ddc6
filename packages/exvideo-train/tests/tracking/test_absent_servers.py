"""Tracking by servers of MLflow that are down, die or hang, and by databases that two processes make."""

import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from exvideo_train.cli import main
from exvideo_train.tracking import Tracker
from mlflow import MlflowClient

from .runs import PATIENCE, RECORDING, Run, Server, has_sent, sent, told, until


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
