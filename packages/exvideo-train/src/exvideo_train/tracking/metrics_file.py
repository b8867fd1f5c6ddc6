"""`metrics.jsonl`: the truth about a run's figures, one JSON line a record. Trackers follow it; it follows nobody."""

import fcntl
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from exvideo_train.atomic import replacing


class Record(NamedTuple):
    """Figures of one step. `time` is in seconds since the epoch, 0 where the line does not say it."""

    step: int
    time: float
    figures: dict[str, float]


class MetricsFile:
    """The file of a run: written by one thread, read by another.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._place = (0, 0)  # a number of lines, and the byte that follows them

    def open(self) -> bool:
        """Opens the file for `append`; False where another process has it open, too."""
        self._file = self.path.open("a", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a filesystem without locks
            return True
        return True

    def append(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds a record with the present time; it is in the file on return. The file must be open."""
        assert self._file is not None
        self._file.write(json.dumps({"step": step, "time": time.time(), **figures}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Ends `append`; reading goes on."""
        if self._file is not None:
            self._file.close()

    def lines(self) -> list[str]:
        """All lines, each with its line break; the last one may be cut."""
        if not self.path.is_file():
            return []
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)

    def replace(self, lines: list[str]) -> None:
        """Puts other lines in place of all; the file is the old one or the new one at any moment."""
        with replacing(self.path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")

    def read(self, after: int, count: int) -> list[Record | None]:
        """At most `count` lines, those that follow the first `after` ones; None for a line that is damaged."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            line, offset = self._place if self._place[0] <= after else (0, 0)
            file.seek(offset)
            while line < after and file.readline().endswith(b"\n"):
                line += 1
            self._place = (line, file.tell())
            found: list[Record | None] = []
            while len(found) < count and (text := file.readline()).endswith(b"\n"):  # else it is being written
                found.append(parse(text.decode("utf-8", errors="replace")))
        return found


def parse(line: str) -> Record | None:
    """The record of a line; None where a kill cut it, or it is damaged otherwise."""
    try:
        content = json.loads(line)
        step, at = int(content.pop("step")), float(content.pop("time", 0.0))
        return Record(step, at, {str(name): float(value) for name, value in content.items()})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
