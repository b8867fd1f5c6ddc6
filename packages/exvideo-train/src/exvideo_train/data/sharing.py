"""Work that the processes of a run divide among themselves, so that all end with the same lists."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Sharing(Protocol):
    """The part of `exvideo_train.processes.Processes` that dividing work needs."""

    @property
    def is_main(self) -> bool: ...
    def share(self, items: list[Any]) -> list[Any]: ...
    def gather(self, value: Any) -> list[Any]: ...
    def together(self, act: Callable[[], T]) -> T: ...


class Alone:
    """One process, without a launcher: all work is its own."""

    is_main = True

    def share(self, items: list[Any]) -> list[Any]:
        """All of them."""
        return items

    def gather(self, value: Any) -> list[Any]:
        """The value of the only process."""
        return [value]

    def together(self, act: Callable[[], T]) -> T:
        """The value of a function."""
        return act()
