"""Turns of a timing: taken alone, or one by one as the program that compares versions hands them out."""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

Turn = Callable[[], tuple[float, float]]  # seconds a call: on the wall, of CPU time
FEWEST_TURNS = 4


class Alone:
    """Takes turns for about so many seconds, and four at least."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def take(self, name: str, place: Sequence[int], turn: Turn) -> list[tuple[float, float]]:
        """Seconds of each turn."""
        end = time.perf_counter() + self._seconds
        taken: list[tuple[float, float]] = []
        while len(taken) < FEWEST_TURNS or time.perf_counter() < end:
            taken.append(turn())
        return taken


class Handed:
    """Tells a connected socket of each timing, takes a turn for every line `turn` and tells its seconds, until `done`.

    Args:
        connection: to the program that hands out turns.
        cpu: that turns are taken on, the same for all sides: cores that share one with other work differ by half.
    """

    def __init__(self, connection: socket.socket, cpu: int | None = None) -> None:
        self._cpu = cpu
        self._said = connection.makefile("r", encoding="utf-8")
        self._telling = connection.makefile("w", encoding="utf-8")

    def take(self, name: str, place: Sequence[int], turn: Turn) -> list[tuple[float, float]]:
        """Seconds of each turn; `place` orders the timings of a suite."""
        self.tell({"timing": name, "place": list(place)})
        taken = []
        everywhere = _pin({self._cpu}) if self._cpu is not None else None
        while self._said.readline().strip() == "turn":
            taken.append(turn())
            self.tell({"turn": taken[-1]})
        if everywhere is not None:
            _pin(everywhere)
        return taken

    def tell(self, message: dict[str, Any]) -> None:
        """Sends one line of JSON."""
        self._telling.write(json.dumps(message) + "\n")
        self._telling.flush()


def _pin(cpus: set[int]) -> set[int]:
    """Keeps this thread on these CPUs; those that it was free to use before."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    return before
