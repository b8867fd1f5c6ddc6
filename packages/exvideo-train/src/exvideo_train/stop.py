"""The ways to ask a run to save or to stop: signals of schedulers, Ctrl-C, a closed terminal, files in its folder."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from exvideo_train.errors import TrainingStoppedError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 1.0  # from one look for the files to the next: output may be on a network


class Requests:
    """Hears requests while it is entered; then signals do again what they did before.

    A signal is only noted: the run looks at `stop` where it can stop without loss. A second Ctrl-C ends it at once.
    Signals are heard in the main thread of a program alone, as Python has it; the files are always looked for. SIGHUP,
    the end of a terminal, is ignored where it was before, as under nohup.

    Args:
        output: the run's folder, where a file named `stop` or `save` is a request.
    """

    def __init__(self, output: Path) -> None:
        self._stop, self._save = output / "stop", output / "save"
        self._signal: str | None = None
        self._looked = 0.0
        self._found: tuple[bool, bool] = (False, False)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Requests":
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._hear) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._signal == "Ctrl-C":
                raise KeyboardInterrupt
            print("\nStopping at the next step; Ctrl-C again stops at once, without saving.", file=sys.stderr)
        self._signal = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name

    @property
    def stop(self) -> bool:
        """True from a request to stop on."""
        return self._signal is not None or self._look()[0]

    @property
    def save(self) -> bool:
        """True while there is a request to save and to go on."""
        return self._look()[1]

    @property
    def reason(self) -> str:
        """The request to stop, as a person knows it."""
        return self._signal or (f"the file {self._stop}" if self._look()[0] else "another process was told to")

    def check(self) -> None:
        """Raises TrainingStoppedError if a stop is asked for: where there is nothing to save."""
        if self.stop:
            raise TrainingStoppedError(f"Stopped ({self.reason}), with nothing lost: the same command goes on.")

    def fulfilled(self) -> None:
        """Removes the files: their requests are met."""
        self._stop.unlink(missing_ok=True)
        self._save.unlink(missing_ok=True)
        self._found = (False, False)

    def _look(self) -> tuple[bool, bool]:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._found = (self._stop.exists(), self._save.exists())
        return self._found
