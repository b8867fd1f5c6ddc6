"""The way that an evaluation is carried out: cache, device, threads, processes. It changes no number."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from exvideo_eval.processes import Processes
from exvideo_eval.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Execution:
    """Choices that change how long an evaluation takes and what it keeps, and no number.

    Args:
        cache: folder of what was measured of files, by their content; a run that was stopped goes on from there. With
            None, a temporary one that is removed.
        device: of the feature networks, such as "cpu", "cuda" or "cuda:1".
        batch_size: windows that a feature network takes at a time.
        workers: files that are decoded and measured at a time, each in a thread; an extractor of one's own must bear
            calls from as many.
        processes: that share the files; the cache must then be a folder that all of them see.
        progress: whether to tell on stderr how far it is.

    Raises:
        ValueError: a batch or a number of workers below 1, a device that is not there, or processes without a cache.
    """

    cache: Path | None = None
    device: str = "cpu"
    batch_size: int = 8
    workers: int = 1
    processes: Processes = field(default_factory=Processes)
    progress: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give at least 1.")
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"The device {self.device!r} cannot be used ({reason}): give cpu, cuda or cuda:N."
            ) from error
        if self.processes.size > 1 and self.cache is None:
            raise ValueError(f"{self.processes.size} processes share no files without a cache: give its folder.")

    def each(self, what: str, act: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results of a function that is called with each item, in their order, by as many threads as workers.

        An error stops it all; what has not begun by then does not begin.
        """
        progress = Progress(what, len(items)) if self.progress else None

        failed = threading.Event()

        def run(item: T) -> R:
            if failed.is_set():
                raise CancelledError
            try:
                result = act(item)
            except BaseException:
                failed.set()
                raise
            if progress is not None:
                progress.step()
            return result

        with _one_thread_each(), ThreadPoolExecutor(self.workers) as pool:
            try:
                return list(pool.map(run, items))
            finally:
                pool.shutdown(cancel_futures=True)
                if progress is not None:
                    progress.close()


def available_workers() -> int:
    """The processors that this process may use, shared among those that torchrun started on this machine."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Sums of floats depend on the number of threads that share them: with one, on no machine's number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
