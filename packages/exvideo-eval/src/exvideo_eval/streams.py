"""A reader that has gone, as after `| head`, has all that it wanted: that is no error, and no exit status.

All else that keeps lines from where they should go, such as a full disk, is an error: what a comparison finds is told
nowhere else.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Piped:
    """A text stream whose reader may go; each line is passed on at its end, so that errors come where they can be told.

    Args:
        stream: that is written to; everything else is its own.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, if there is a reader; the number of letters. Raises OSError as the stream does."""
        with suppress(BrokenPipeError):
            self._stream.write(text)
            if text.endswith("\n"):
                self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flushes, if there is a reader."""
        with suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outliving_readers() -> Iterator[None]:
    """`sys.stdout` and `sys.stderr` are such streams while it is entered."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Piped(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
