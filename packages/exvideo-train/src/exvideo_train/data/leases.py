"""Leases on videos that are being encoded: processes that share a cache, of one run or of several, share the work.

A lease is a file that only one process can make, refreshed while that process lives. That of a process that was killed
is taken over: at once on the same machine, on another one when it has not been refreshed for a minute.
"""

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = ".lease"
STALE_SECONDS = 60.0
_REFRESH_SECONDS = 10.0


class Leases:
    """The leases that this process holds; a thread refreshes them until it is closed.

    Args:
        stale: seconds without a refresh after which another machine's lease is nobody's any more, by the clock of this
            process, which watches it: those of two machines may differ.
    """

    def __init__(self, stale: float = STALE_SECONDS) -> None:
        self._stale = stale
        self._me = {"token": uuid.uuid4().hex, "pid": os.getpid(), "machine": _machine()}
        self._held: set[Path] = set()
        self._seen: dict[Path, tuple[int, float]] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._refresh, daemon=True, name="leases").start()

    def take(self, folder: Path) -> bool:
        """Takes the lease of a folder, which is made if missing; False if another process has it.

        Raises:
            OSError: the folder cannot be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        if self._make(path):
            return True
        return self._is_stale(path) and self._clear(path) and self._make(path)

    def release(self, folder: Path) -> None:
        """Gives a lease back."""
        path = folder / NAME
        if path in self._held:
            self._held.discard(path)
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Gives all back, and ends the thread."""
        self._closed.set()
        for path in list(self._held):
            self.release(path.parent)

    def _make(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._me, file)
        self._held.add(path)
        return True

    def _is_stale(self, path: Path) -> bool:
        try:
            time_of_change, holder = path.stat().st_mtime_ns, _read(path)
        except FileNotFoundError:
            return False
        if holder.get("machine") == self._me["machine"] and not _lives(holder.get("pid")):
            return True
        before, since = self._seen.get(path, (None, 0.0))
        if time_of_change != before:
            self._seen[path] = time_of_change, time.monotonic()
            return False
        return time.monotonic() - since > self._stale

    def _clear(self, path: Path) -> bool:
        """Removes a stale lease; of several processes that find it stale, one does."""
        stale, aside = _read(path), path.with_name(f".lease-{uuid.uuid4().hex}.tmp")
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return False
        if _read(aside) == stale:
            aside.unlink()
            return True
        with suppress(OSError):  # another process was quicker, and this is its new one
            os.link(aside, path)
        aside.unlink()
        return False

    def _refresh(self) -> None:
        while not self._closed.wait(_REFRESH_SECONDS):
            for path in list(self._held):
                with suppress(OSError):
                    os.utime(path)


def is_leased(folder: Path) -> bool:
    """True if a process holds the lease of a folder, or may: one that is stale by its time alone counts, too."""
    path = folder / NAME
    try:
        holder = _read(path)
    except FileNotFoundError:
        return False
    return holder.get("machine") != _machine() or _lives(holder.get("pid"))


def _read(path: Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _machine() -> str:
    """A name of the machine since it was started, and of the container: process numbers mean the same within it."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _lives(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True
