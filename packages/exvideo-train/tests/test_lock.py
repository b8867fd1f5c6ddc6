"""The lock on a run's folder: one run at a time, and none after its process has ended in any way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exvideo_train.errors import UserError
from exvideo_train.lock import NAME, Lock
from exvideo_train.processes import Processes

HOLDER = """
import sys
from pathlib import Path
from exvideo_train.lock import Lock
from exvideo_train.processes import Processes

with Lock(Path(sys.argv[1]), Processes()):
    (Path(sys.argv[1]) / "held").touch()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_run_is_named_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(output)]
    unlaunched = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=unlaunched, text=True, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match=rf"in use by another run \(process {holder.pid} on "),
            Lock(output, Processes()),
        ):
            pass
        holder.kill()
        holder.wait()
        with Lock(output, Processes()):
            assert json.loads((output / NAME).read_text())["pid"] == os.getpid()


def test_a_folder_that_nothing_was_left_in_goes_again(tmp_path: Path) -> None:
    with Lock(tmp_path / "refused", Processes()):
        pass
    assert not (tmp_path / "refused").exists()
    with Lock(tmp_path / "run", Processes()):
        (tmp_path / "run" / "metrics.jsonl").touch()
    assert (tmp_path / "run" / "metrics.jsonl").exists()
    (tmp_path / "before").mkdir()
    with Lock(tmp_path / "before", Processes()):
        pass
    assert (tmp_path / "before").exists()  # it was there


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"), Lock(tmp_path / "file" / "run", Processes()):
        pass
