"""Seconds of a call, a turn at a time: the best of a turn's short samples, as a busy machine can only add to them."""

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

SHORTEST_SAMPLE = 2e-4  # seconds: far above the clocks' grain, below the time slice of a busy machine
TURN = 0.02  # seconds: long enough for some samples, short enough that what disturbs a turn disturbs the next one, too


class Stopwatch:
    """Times one call, after a few that do not count.

    If the suite uses a GPU, a sample ends when it has nothing left to do.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._calls = 1
        _wait_for_gpu()
        self._sample()
        while min(self._sample()[0] for _ in range(3)) * self._calls < SHORTEST_SAMPLE:
            self._calls *= 2

    def turn(self) -> tuple[float, float]:
        """Seconds a call, by the clock on the wall and of CPU time (of all threads, the system's too): the best of the
        samples that fit in `TURN`, of one at least. The garbage collector is off meanwhile."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            end = time.perf_counter() + TURN
            samples = [self._sample()]
            while time.perf_counter() < end:
                samples.append(self._sample())
        finally:
            if collecting:
                gc.enable()
        return min(wall for wall, _ in samples), min(cpu for _, cpu in samples)

    def _sample(self) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self._calls):
            self._call()
        _wait_for_gpu()
        return (time.perf_counter() - wall) / self._calls, (time.process_time() - cpu) / self._calls


def _wait_for_gpu() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
