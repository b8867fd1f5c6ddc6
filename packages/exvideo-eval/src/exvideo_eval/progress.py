"""The state of long work, on a terminal as one line that moves, elsewhere as a line now and then."""

import sys
import time
from typing import TextIO

_ON_A_TERMINAL, _ELSEWHERE = 0.2, 30.0  # seconds between lines


class Progress:
    """Counts files that are done.

    Args:
        what: is counted, such as "measured".
        total: of them, in this process.
        stream: stderr by default.
    """

    def __init__(self, what: str, total: int, stream: TextIO | None = None) -> None:
        self.what, self.total, self.done = what, total, 0
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._start = self._shown = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if now - self._shown >= (_ON_A_TERMINAL if self._live else _ELSEWHERE):
            self._shown = now
            self._write(self.line(now))

    def line(self, now: float) -> str:
        """ "measured 120 of 2000, 3.2 a second, 9 min 47 s left"."""
        rate = self.done / max(now - self._start, 1e-9)
        seconds = round((self.total - self.done) / rate) if rate else 0
        minutes, seconds = divmod(seconds, 60)
        left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        return f"{self.what} {self.done} of {self.total}, {rate:.3g} a second, {left} left"

    def close(self) -> None:
        """Clears the line that moves."""
        if self._live:
            self._write("")

    def _write(self, line: str) -> None:
        self._stream.write(f"\r\033[K{line}" if self._live else f"{line}\n")
        self._stream.flush()
