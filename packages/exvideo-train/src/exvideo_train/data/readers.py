"""Videos decoded in threads ahead of who takes their frames. FFmpeg lets go of the interpreter while it decodes."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")
AHEAD = 32  # pictures that are decoded and not taken yet, of all videos


class Readers(Generic[T]):
    """Reads several iterators at once into one queue.

    Args:
        threads: so many are read at a time.
        ahead: items that wait at most.
    """

    def __init__(self, threads: int, ahead: int = AHEAD) -> None:
        self._queue: queue.Queue[tuple[T, Any, BaseException | None]] = queue.Queue(ahead)
        self._pool = ThreadPoolExecutor(threads, "decode")
        self._closed = threading.Event()

    def start(self, name: T, items: Iterator[Any]) -> None:
        """Begins to read, in a thread."""
        self._pool.submit(self._read, name, items)

    def take(self) -> tuple[T, Any, BaseException | None]:
        """The next item of some iterator, by its name; (name, None, None) at its end, and what it raised as the third.

        Those of one iterator come in their order.
        """
        return self._queue.get()

    def close(self) -> None:
        """Ends the threads; what is read and not taken is dropped."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, name: T, items: Iterator[Any]) -> None:
        try:
            for item in items:
                self._put((name, item, None))
                if self._closed.is_set():
                    return
        except BaseException as error:
            self._put((name, None, error))
        else:
            self._put((name, None, None))

    def _put(self, item: tuple[T, Any, BaseException | None]) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                pass
