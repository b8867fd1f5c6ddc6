"""Times contenders side by side, in rotated order, so that whatever the machine does falls on all of them alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from exvideo_eval.harness.order import rotated
from numpy.typing import NDArray

Contender = Callable[[], Any]
Clock = Callable[[Contender], float]  # runs a contender once; the seconds it took
Times = Mapping[str, NDArray[np.float64]]  # seconds of each contender, one a round

# More than the second-level cache of any GPU: read before each kernel, so that no kernel finds its inputs there, and
# none has to wait until what was written there has gone to memory.
_CACHE_BYTES = 256 * 2**20
_SLEEP_CYCLES = 1_000_000  # about half a millisecond, while which the host sends what is to be timed


def alternate(contenders: Mapping[str, Contender], clock: Clock, *, rounds: int, warmup: int) -> Times:
    """Seconds of each contender: all once a round, in rotated order, after `warmup` rounds that do not count."""
    for _ in range(warmup):
        for contender in contenders.values():
            contender()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in rotated(list(contenders), turn):
            times[name].append(clock(contenders[name]))
    return {name: np.array(seconds) for name, seconds in times.items()}


def wall_clock(device: torch.device) -> Clock:
    """Seconds as a person waits them, the work of the host included."""

    def seconds(contender: Contender) -> float:
        _synchronise(device)
        started = time.perf_counter()
        contender()
        _synchronise(device)
        return time.perf_counter() - started

    return seconds


def kernel_clock(device: torch.device) -> Clock:
    """Seconds of work on the device alone: between two events on a GPU, its cache emptied before; else the wall's.

    The GPU sleeps until the host has sent everything, so that the host's own time is not seen.
    """
    if device.type != "cuda":
        return wall_clock(device)
    cache = torch.zeros(_CACHE_BYTES // 4, dtype=torch.float32, device=device)
    found = torch.empty((), dtype=torch.float32, device=device)

    def seconds(contender: Contender) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.sum(cache, dim=0, out=found)
        torch.cuda._sleep(_SLEEP_CYCLES)
        start.record()
        contender()
        end.record()
        torch.cuda.synchronize(device)
        return start.elapsed_time(end) / 1e3

    return seconds


def peak_bytes(contender: Contender, device: torch.device) -> int | None:
    """Most memory in use on a GPU during a call, beyond what was in use before it; None where there is no GPU."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    contender()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
