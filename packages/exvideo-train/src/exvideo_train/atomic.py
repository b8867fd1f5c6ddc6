"""Files of a run that are there whole or not at all, whenever the process is killed."""

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exvideo_train.errors import OutputError

SPARE_BYTES = 64 * 2**20  # that a disk must have left beside what is written


def write_json(path: Path, content: Any) -> None:
    """Writes as `write_text`."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, content: str) -> None:
    """Writes to a temporary name, flushes it to the disk and renames it; the folder is made if missing.

    Raises:
        OSError: the folder cannot be written to, or its disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`, for a file that is renamed to it at the end, and not flushed to the disk.

    After an error `path` is as it was, and the temporary file gone.

    Raises:
        OSError: the folder cannot be written to, or its disk is full.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk: a file that was renamed there stays so after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, *, older_than: float = 0.0) -> None:
    """Removes what killed writes have left in a folder and in those below: files and folders named `.*.tmp`.

    Args:
        older_than: seconds; a folder that several runs share has files that others are writing just now.
    """
    for path in sorted(folder.rglob(".*.tmp")):
        if not path.exists() or time.time() - path.stat().st_mtime < older_than:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def check_space(folder: Path, needed: int) -> None:
    """Raises OutputError if the disk of a folder has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise OutputError(
            f"The disk of {folder} has {free / 2**30:.2f} GiB free, and a checkpoint needs "
            f"{(needed + SPARE_BYTES) / 2**30:.2f}: free some, or choose another output or fewer checkpoints to keep."
        )


def as_output_error(error: Exception, folder: Path) -> OutputError:
    """The sentence for a write that has failed."""
    if isinstance(error, OutputError):
        return error
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left on device" in str(error):
        return OutputError(f"The disk of {folder} is full: free some space, and the same command goes on.")
    return OutputError(f"{folder} cannot be written to ({error}): mend that, and the same command goes on.")
