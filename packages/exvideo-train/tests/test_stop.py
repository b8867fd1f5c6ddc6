"""Runs that are stopped, or run into each other: exit status 75 or 2, and nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_train.stop import Requests

MakeConfig = Callable[..., Path]
SCRIPT = str(Path(__file__).with_name("in_the_way.py"))
SEVEN = {"optimizer.steps": 7, "checkpoint.every": 100}


@pytest.mark.long
@pytest.mark.parametrize("how", ["SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP", "stop"])
def test_stopped_it_saves_and_goes_on_to_the_same_bits(
    make_config: MakeConfig, tmp_path: Path, runs: Any, how: str
) -> None:
    whole, broken = make_config("whole", **SEVEN), make_config("broken", **SEVEN)
    assert runs.finish(whole)[0] == 0
    run = runs.start(broken)
    runs.wait_for(run, lambda: len(runs.records("broken")) >= 2)
    if how == "stop":
        (tmp_path / "broken" / "stop").touch()
    else:
        os.kill(run.pid, getattr(signal, how))
    said = run.communicate()[1]
    assert run.returncode == 75, said
    assert "Traceback" not in said
    assert "the same command goes on" in said
    assert not (tmp_path / "broken" / "stop").exists()
    assert runs.finish(broken)[0] == 0
    runs.assert_same_end("whole", "broken", 7)


@pytest.mark.long
def test_a_file_asks_to_save_and_the_run_goes_on(make_config: MakeConfig, tmp_path: Path, runs: Any) -> None:
    run = runs.start(make_config(**SEVEN, **{"checkpoint.keep": 9}))
    runs.wait_for(run, lambda: len(runs.records("run")) >= 1)
    (tmp_path / "run" / "save").touch()
    assert run.communicate()
    assert run.returncode == 0
    assert not (tmp_path / "run" / "save").exists()
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 2  # the one asked for, and the last


def test_a_closed_terminal_is_heard_but_where_nohup_had_it_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Requests(tmp_path) as requests:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not requests.stop
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with Requests(tmp_path) as requests:
            os.kill(os.getpid(), signal.SIGHUP)
            assert requests.stop
            assert requests.reason == "SIGHUP"
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.long
def test_a_reader_that_is_gone_takes_lines_away_and_not_the_run(make_config: MakeConfig, runs: Any) -> None:
    whole, unread = make_config("whole", **SEVEN), make_config("unread", **SEVEN)
    assert runs.finish(whole)[0] == 0
    run = runs.start(unread)
    assert run.stderr.readline()
    run.stderr.close()
    assert run.wait(timeout=300) == 0
    runs.assert_same_end("whole", "unread", 7)


@pytest.mark.long
def test_a_twin_is_refused_at_once(make_config: MakeConfig, runs: Any) -> None:
    path = make_config(**{"optimizer.steps": 10_000})
    first = runs.start(path)
    runs.wait_for(first, lambda: len(runs.records("run")) >= 1)
    status, said = runs.finish(path)
    assert status == 2
    assert f"is in use by another run (process {first.pid} on " in said
    assert len(said.strip().splitlines()) == 1
    first.terminate()
    assert first.communicate()
    assert first.returncode == 75


@pytest.mark.long
def test_an_error_on_one_rank_ends_all_with_its_sentence(
    make_config: MakeConfig, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IN_THE_WAY", json.dumps({"error": {"rank": 1, "step": 2}}))
    status, said = runs.finish(make_config(**{"optimizer.batch_size": 2}), processes=2, module=SCRIPT)
    assert status == 1
    assert "a disk of this machine has gone" in said
    assert "Connection closed by peer" not in said  # which the other rank would say


@pytest.mark.long
def test_a_rank_that_is_killed_ends_all_in_one_sentence(
    make_config: MakeConfig, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IN_THE_WAY", json.dumps({"gone": {"rank": 1, "step": 2}}))
    started = time.monotonic()
    status, said = runs.finish(make_config(**{"optimizer.batch_size": 2}), processes=2, module=SCRIPT)
    assert status == 1
    assert time.monotonic() - started < 120  # start included
    assert "A process of the run is gone, killed perhaps: the same command goes on from the last checkpoint." in said


@pytest.mark.long
def test_a_process_whose_launcher_is_gone_before_they_meet_does_not_wait_for_ever(make_config: MakeConfig) -> None:
    script = f"""
import sys
from datetime import timedelta
from exvideo_train import processes
from exvideo_train.cli import main
processes.MEETING = timedelta(seconds=3)
sys.exit(main(["--config", {str(make_config())!r}]))
"""
    own = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "9"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | own, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 2, done.stderr
    assert "Process 1 met no other at localhost:9 (MASTER_ADDR, MASTER_PORT): start all" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_rank_that_differs_is_named(make_config: MakeConfig, runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IN_THE_WAY", json.dumps({"version": {"rank": 1}}))
    status, said = runs.finish(make_config(**{"optimizer.batch_size": 2}), processes=2, module=SCRIPT)
    assert status == 1  # of the launcher
    assert "Rank 1 differs from rank 0 in its versions (torch: '1.0', not " in said
    assert "Traceback (most recent call last)" not in said.split("Rank 1 differs")[0]


@pytest.mark.long
def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_is_whole(
    make_config: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_config(**{"optimizer.batch_size": 2, "optimizer.steps": 2})
    assert runs.finish(path)[0] == 0
    monkeypatch.setenv("IN_THE_WAY", json.dumps({"no_space": {"rank": 0}}))
    longer = make_config(**{"optimizer.batch_size": 2, "optimizer.steps": 8})
    status, said = runs.finish(longer, processes=2, module=SCRIPT)
    assert status == 1
    assert "The disk of" in said
    assert "is full: free some space, and the same command goes on." in said
    assert [path.name for path in (tmp_path / "run" / "checkpoints").glob("step-*")] == ["step-00000002"]


@pytest.mark.long
def test_a_disk_that_is_full_in_earnest(make_config: MakeConfig, tmp_path: Path, runs: Any) -> None:
    """A filesystem of 3 MiB, mounted for the run alone, on which there is no room for a checkpoint."""
    unshare = ["unshare", "-Urm", "bash", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "mount -t tmpfs none /mnt"]).returncode:
        pytest.skip("mounting needs user namespaces, which this machine does not allow")
    output = tmp_path / "run"
    output.mkdir()
    command = " ".join(runs.command(make_config()))
    script = f"mount -t tmpfs -o size=3m none {output} && {command}"
    done = subprocess.run([*unshare, script], env=runs.environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"The disk of {output} has 0.00 GiB free, and a checkpoint needs" in done.stderr
    assert "Traceback" not in done.stderr
