"""A lock on the folder of a run, so that two runs do not write there at once."""

import fcntl
import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import IO

from exvideo_train.errors import UserError
from exvideo_train.processes import Processes

NAME = ".lock"


class Lock:
    """Holds a run's folder while it is entered; the system lets go of it when the process ends in any way.

    Args:
        output: made if it is not there.
        processes: the main one holds the lock for all of them; every process must enter.

    Raises:
        UserError: at entry, in every process; another run holds it.
    """

    def __init__(self, output: Path, processes: Processes) -> None:
        self.output = output
        self.processes = processes
        self._file: IO[str] | None = None
        self._made = False

    def __enter__(self) -> "Lock":
        self.processes.together(self._take)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        if self._made and [path.name for path in self.output.iterdir()] == [NAME]:
            shutil.rmtree(self.output)  # the run was refused before it left anything there
        self._file.close()

    def _take(self) -> None:
        self._made = not self.output.exists()
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            file = (self.output / NAME).open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"The output {self.output} cannot be written to ({error}): choose another.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = _read(file.read())
            file.close()
            raise UserError(
                f"The output {self.output} is in use by another run ({holder}): wait for it, stop it, or choose "
                "another output."
            ) from error
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}, file)
        file.flush()
        self._file = file


def _read(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has just begun"
