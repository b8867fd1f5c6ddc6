"""A terminal or a pipe that is gone takes lines away, not the run: what it makes is in its files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Outliving:
    """A text stream on which nothing fails that is written: a reader gone, a terminal closed, the log's disk full.

    Args:
        stream: that is written to, as long as it takes anything; everything else is its own.

    Attributes:
        lost: the first error that took lines which a reader was there for, as a full disk does; None without one.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Writes, or does not; the number of letters."""
        with self._losing():
            self._stream.write(text)
            if text.endswith("\n"):
                self._stream.flush()  # or what is left in the buffer fails at exit, where nobody can catch it
        return len(text)

    def flush(self) -> None:
        """Flushes, or does not."""
        with self._losing():
            self._stream.flush()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = self.lost or error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outliving_readers() -> Iterator[Outliving]:
    """While it is entered, writing to `sys.stdout` or `sys.stderr` does not fail: lines are lost, the run is not.

    For programs whose work is in files: a reader that has gone, a terminal that was closed, a full disk of a log.

    Yields:
        What `sys.stdout` is meanwhile. Of a program whose work is what it prints, `lost` tells that it did not arrive.
    """
    before = sys.stdout, sys.stderr
    stdout, sys.stderr = (Outliving(stream) for stream in before)
    sys.stdout = stdout
    try:
        yield stdout
    finally:
        sys.stdout, sys.stderr = before
