"""The order in which contenders take their turns."""

from collections.abc import Sequence
from typing import TypeVar

Name = TypeVar("Name")


def rotated(names: Sequence[Name], turn: int) -> list[Name]:
    """The names as they go in a round: each comes first, second, ... equally often, and before and after each other.

    In the first len(names) rounds each begins one later than in the one before; in the next, backwards.

    Args:
        names: of the contenders.
        turn: number of the round, from 0.
    """
    count = len(names)
    block, shift = divmod(turn, count)
    order = [*names[shift:], *names[:shift]]
    return order[::-1] if block % 2 else order
