"""Stages of the demo: a header line before each, and how long each took, in all and per processor."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """Seconds that a stage took, of the clock and of all processors together."""

    title: str
    wall_seconds: float
    cpu_seconds: float


@dataclass
class Stages:
    """Counts and times stages; `total` is how many there will be."""

    total: int
    timings: list[Timing] = field(default_factory=list)

    @contextmanager
    def stage(self, title: str, expected_seconds: int) -> Iterator[None]:
        """Prints the header, runs the block, prints the time. A block that raises is not recorded."""
        number = len(self.timings) + 1
        print(f"[{number}/{self.total}] {title} (about {expected_seconds} s on two cores)", flush=True)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        timing = Timing(title, time.perf_counter() - wall, _cpu_seconds() - cpu)
        self.timings.append(timing)
        print(f"  done in {timing.wall_seconds:.0f} s", flush=True)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
