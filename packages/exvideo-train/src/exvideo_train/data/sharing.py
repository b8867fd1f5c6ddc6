"""Work that the processes of a run divide among themselves, so that all end with the same lists."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Sharing(Protocol):
    """The part of `exvideo_train.engine.Processes` that dividing work needs."""

    @property
    def is_main(self) -> bool: ...
    def share(self, items: list[Any]) -> list[Any]: ...
    def gather(self, value: Any) -> list[Any]: ...


class Alone:
    """One process, without a launcher: all work is its own."""

    is_main = True

    def share(self, items: list[Any]) -> list[Any]:
        """All of them."""
        return items

    def gather(self, value: Any) -> list[Any]:
        """The value of the only process."""
        return [value]


def from_main(processes: Sharing, make: Callable[[], T]) -> T:
    """The value that the main process makes, in every process; every process must call."""
    value: T = processes.gather(make() if processes.is_main else None)[0]
    return value
