"""Claims on clips that are being made: processes that share a folder, of one run or of several, share its clips.

A claim is a locked file. The system gives the lock back when its process ends, however that happens, so the clip of a
process that was killed is taken over at once.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = ".claims"


@contextmanager
def claim(folder: Path, name: str) -> Iterator[bool]:
    """Claims a clip for the block: gives True, or False if another process, or this one, has it already.

    Args:
        folder: of the clips; on a disk that all processes lock alike (flock).
        name: of the clip.

    Raises:
        OSError: the folder cannot be written to.
    """
    claims = folder / FOLDER
    path = claims / name
    handle = _open(path)
    held = False
    try:
        held = _lock(handle) and _is_same(handle, path)
        yield held
    finally:
        if held:
            path.unlink(missing_ok=True)  # before the lock is given back: who has opened it meanwhile sees it gone
        os.close(handle)
    with suppress(OSError):  # others have claims in it
        claims.rmdir()


def _open(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process has just removed the folder, which was empty
            return os.open(path, os.O_CREAT | os.O_RDWR, 0o644)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(handle: int, path: Path) -> bool:
    """True unless the file was removed, by the process that had the claim before, since it was opened."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
