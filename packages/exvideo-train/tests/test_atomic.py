"""Files of a run that are there whole or not at all."""

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from exvideo_train import atomic
from exvideo_train.atomic import as_output_error, check_space, replacing, sweep, write_json, write_text
from exvideo_train.errors import OutputError


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "state.json"
    write_json(path, {"step": 1})
    assert path.read_text() == '{\n "step": 1\n}'
    assert path.stat().st_mode & 0o777 == 0o644

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "half")
    assert path.read_text() == '{\n "step": 1\n}'
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_finished_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_no_module_names_temporary_files_on_its_own() -> None:
    source = Path(atomic.__file__).parent
    known = {"atomic.py", "checkpoints/writer.py", "data/leases.py", "tracking/mlflow_run.py", "data/video_encoder.py"}
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if '.tmp"' in path.read_text()}
    assert found <= known, "exvideo_train.atomic.replacing removes what an error leaves"


def test_what_killed_writes_have_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "sub" / ".step-2.tmp").mkdir(parents=True)
    (tmp_path / "sub" / ".step-2.tmp" / "part").touch()
    (tmp_path / ".state.json.abc.tmp").touch()
    (tmp_path / "notes.tmp").touch()
    sweep(tmp_path, older_than=3600)
    assert (tmp_path / ".state.json.abc.tmp").exists()  # another run may be writing it
    long_ago = time.time() - 7200
    os.utime(tmp_path / ".state.json.abc.tmp", (long_ago, long_ago))
    sweep(tmp_path, older_than=3600)
    assert not (tmp_path / ".state.json.abc.tmp").exists()
    sweep(tmp_path)
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["notes.tmp", "sub"]


def test_room_is_asked_for_with_some_to_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10 * 2**30
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    check_space(tmp_path, free - atomic.SPARE_BYTES)
    with pytest.raises(OutputError, match=r"has 10\.00 GiB free, and a checkpoint needs 10\.00"):
        check_space(tmp_path, free - atomic.SPARE_BYTES + 1)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), OSError(errno.EDQUOT, "x")])
def test_a_full_disk_is_told_as_one(tmp_path: Path, error: OSError) -> None:
    assert "is full: free some space" in str(as_output_error(error, tmp_path))
    assert "is full" in str(as_output_error(RuntimeError("I/O error: No space left on device"), tmp_path))
    other = as_output_error(OSError(errno.EACCES, "Permission denied"), tmp_path)
    assert "cannot be written to" in str(other)
    assert "Permission denied" in str(other)
    assert as_output_error(other, tmp_path) is other
