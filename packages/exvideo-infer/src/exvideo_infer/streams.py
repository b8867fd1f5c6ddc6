"""A terminal or a pipe that is gone takes lines away, not the run: what it makes is in its files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Outliving:
    """A text stream on which nothing fails that is written: a reader gone, a terminal closed, the log's disk full.

    Args:
        stream: that is written to, as long as it takes anything; everything else is its own.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, or does not; the number of letters."""
        with suppress(OSError):
            self._stream.write(text)
            if text.endswith("\n"):
                self._stream.flush()  # or what is left in the buffer fails at exit, where nobody can catch it
        return len(text)

    def flush(self) -> None:
        """Flushes, or does not."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outliving_readers() -> Iterator[None]:
    """While it is entered, writing to `sys.stdout` or `sys.stderr` does not fail: lines are lost, the run is not.

    For programs whose work is in files: a reader that has gone, a terminal that was closed, a full disk of a log.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Outliving(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
