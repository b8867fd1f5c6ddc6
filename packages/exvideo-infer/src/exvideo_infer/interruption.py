"""Calls of a pipeline that are under way, each of which can be told to end at its next step."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, local


class Calls:
    """The calls under way in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: list[Event] = []
        self._own = local()

    @contextmanager
    def one(self) -> Iterator[Event]:
        """A call under way in this thread; the event is set once it is to end."""
        told, outer = Event(), getattr(self._own, "told", None)
        with self._lock:
            self._running.append(told)
        self._own.told = told
        try:
            yield told
        finally:
            self._own.told = outer
            with self._lock:
                self._running.remove(told)

    def interrupt(self, value: bool) -> None:
        """Tells calls to end, or takes that back: the one that asks, from its callback; else all that are under way."""
        own = getattr(self._own, "told", None)
        with self._lock:
            for told in self._running if own is None else [own]:
                told.set() if value else told.clear()

    @property
    def interrupted(self) -> bool:
        """True if the call that asks, or else any, was told to end."""
        own = getattr(self._own, "told", None)
        with self._lock:
            return any(told.is_set() for told in (self._running if own is None else [own]))
