"""The processes of a run: who they are, how they agree, and how the failure of one ends them all.

A failure is told through the store that the processes met at, not through a collective: the others may be waiting in
one. A thread in each process looks there, and ends its process when another has failed or is gone.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from exvideo_train.config.optimizer import DistributedSection
from exvideo_train.errors import OtherProcessError, UserError

T = TypeVar("T")

# A collective may wait for a process that encodes a folder of films. Processes that are gone are found by the watch.
TIMEOUT = timedelta(days=7)
# Machines of a cluster start minutes apart; a process whose launcher was killed meanwhile would wait for ever.
MEETING = timedelta(minutes=30)
FAILURE, BEAT = "exvideo/failure", "exvideo/beat/"
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 10.0  # that a process has to end by itself, once another has failed
SILENCE_SECONDS = 180.0  # without a sign of life, until a process counts as gone


class Processes:
    """The processes of this run: one without a launcher, else those of `deepspeed` or `torchrun`.

    Args:
        section: backend of the collectives, and that there may be several.

    Raises:
        UserError: the backend does not go with the machine, or there are several against the section.
    """

    def __init__(self, section: DistributedSection | None = None) -> None:
        section = section or DistributedSection()
        if "RANK" not in os.environ:
            _become_the_only_process()
        self.rank, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if self.count > 1 and not section.enabled:
            raise UserError(
                f"distributed.enabled is false, and the launcher has started {self.count} processes: set it to true, "
                "or start exvideo-train without a launcher."
            )
        check_backend(section.backend)
        self.device = _own_device()
        if not dist.is_initialized():
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            store = _meet()
            _keep_store(store)
            dist.init_process_group(
                backend, store=dist.PrefixStore("group", store), rank=self.rank, world_size=self.count, timeout=TIMEOUT
            )
        self.watch = Watch(self.rank, self.count)

    @property
    def is_main(self) -> bool:
        """True in the one process that prints, and that names a checkpoint when it is whole."""
        return self.rank == 0

    def share(self, items: list[Any]) -> list[Any]:
        """This process's part of a list that all processes hold."""
        return items[self.rank :: self.count]

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes, fp64 on the CPU; every process must call."""
        total = value.detach().to(self.device, torch.float64).clone()
        dist.all_reduce(total)
        return total.cpu()

    def gather(self, value: Any) -> list[Any]:
        """One small Python value of every process, in the order of ranks; every process must call."""
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def from_main(self, value: Any) -> Any:
        """The main process's value, in every process; every process must call."""
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def together(self, act: Callable[[], T]) -> T:
        """The main process's value of a function, or its error, in every process; every process must call."""
        value, error = None, None
        if self.is_main:
            try:
                value = act()
            except Exception as raised:
                error = raised
        value, error = self.from_main((value, error))
        if error is not None:
            raise error
        return value

    def wait(self) -> None:
        """Returns when every process has called it."""
        self.sum(torch.zeros(1))  # NCCL's barrier guesses at the device

    def check_same(self, described: Mapping[str, Any]) -> None:
        """Compares what every process is about to work with; every process must call.

        Args:
            described: small values by what they are called in the error: "versions", "clips".

        Raises:
            UserError: in every process, naming the first rank that differs from rank 0, and what in.
        """
        everywhere = self.gather(dict(described))
        for rank, other in enumerate(everywhere):
            for name, value in everywhere[0].items():
                if other[name] != value:
                    raise UserError(
                        f"Rank {rank} differs from rank 0 in its {name} ({_first_difference(other[name], value)}): "
                        "give every process the same files and packages."
                    )


def check_backend(backend: str) -> None:
    """Raises UserError if collectives cannot run by a backend here: nccl is for GPUs, gloo for a machine without."""
    if backend == "nccl" and not torch.cuda.is_available():
        raise UserError(
            "distributed.backend: nccl needs a GPU, and PyTorch sees none here: set it to gloo to train on the "
            "processor, or to auto for either."
        )
    if backend == "gloo" and torch.cuda.is_available():
        raise UserError(
            "distributed.backend: gloo is for machines without a GPU, and there is one here: set it to nccl or auto, "
            "or hide the GPU (CUDA_VISIBLE_DEVICES=)."
        )


def is_of_a_collective(error: BaseException) -> bool:
    """True for the error that a collective raises when another process has closed its connection."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _first_difference(other: Any, value: Any) -> str:
    if isinstance(value, dict) and isinstance(other, dict):
        key = next(key for key in sorted(value | other) if value.get(key) != other.get(key))
        return f"{key}: {other.get(key)!r}, not {value.get(key)!r}"
    return f"{other!r}, not {value!r}"


def _become_the_only_process() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _meet() -> Any:
    """The store that all processes of the run connect to.

    Raises:
        UserError: there is none where the launcher says.
    """
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=MEETING))
    except dist.DistError as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(
            f"Process {os.environ['RANK']} met no other at {place} (MASTER_ADDR, MASTER_PORT): start all processes of "
            "the run by one launcher, on machines that reach each other."
        ) from error
    store.set_timeout(TIMEOUT)
    return store


def _own_device() -> torch.device:
    """This process's device, made the current one: collectives of Python values run on the current device."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise UserError(
            f"This process is number {local} of its machine, which has {torch.cuda.device_count()} GPUs: start as many "
            "processes a machine as it has GPUs."
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


_store: Any = None  # that the processes met at; the group, once it is made, does not give it away


def _keep_store(store: Any) -> None:
    global _store
    _store = store


class Watch:
    """Ends this process when another one has failed or is gone, wherever it waits at that moment.

    Args:
        rank, count: of this process, and of all.
    """

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self.before_exit: Callable[[], None] = lambda: None
        self._done = threading.Event()
        self._failure: dict[str, Any] | None = None
        self._mine = False
        self._thread: threading.Thread | None = None
        if count > 1:
            self._thread = threading.Thread(target=self._run, args=[_store.clone()], daemon=True, name="watch")
            self._thread.start()

    def announce(self, message: str, status: int) -> None:
        """Tells all processes that this one fails.

        Raises:
            OtherProcessError: another one was first.
        """
        if self.count == 1 or self._done.is_set():
            return
        mine = json.dumps({"rank": self.rank, "message": message, "status": status})
        try:
            first = _store.compare_set(FAILURE, "", mine).decode()
        except RuntimeError:  # the process that keeps the store is gone, and so is the run
            first = json.dumps({"rank": 0, "message": "its process is gone", "status": 1})
        if first != mine:
            raise self._error(json.loads(first))

    def heard(self) -> OtherProcessError | None:
        """The failure of another process, if there is one: what an error of a collective in this one comes from."""
        deadline = time.monotonic() + 2 * LOOK_SECONDS
        while self.count > 1 and self._failure is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return None if self._failure is None or self._mine else self._error(self._failure)

    def close(self) -> None:
        """Ends the watch: from here on, processes end when they like."""
        self._done.set()
        if self._thread is not None:  # a thread that is within the store's C++ as Python exits aborts the process
            self._thread.join(2 * LOOK_SECONDS)

    def _error(self, failure: Mapping[str, Any]) -> OtherProcessError:
        return OtherProcessError(f"Rank {failure['rank']} has failed: {failure['message']}", failure["status"])

    def _run(self, store: Any) -> None:
        beats, seen = [0] * self.count, [time.monotonic()] * self.count
        while not self._done.wait(LOOK_SECONDS):
            try:
                self._failure = self._look(store, beats, seen)
            except RuntimeError:  # the store is gone
                self._failure = {"rank": 0, "message": "its process is gone.", "status": 1}
            if self._failure is not None:
                break
        if self._failure is None or self._mine or self._done.wait(PATIENCE_SECONDS):
            return
        self.before_exit()
        print(self._error(self._failure), file=sys.stderr, flush=True)
        os._exit(self._failure["status"])

    def _look(self, store: Any, beats: list[int], seen: list[float]) -> dict[str, Any] | None:
        if store.check([FAILURE]):
            failure: dict[str, Any] = json.loads(store.get(FAILURE))
            self._mine = failure["rank"] == self.rank
            return failure
        store.add(f"{BEAT}{self.rank}", 1)
        for rank in range(self.count):
            beat = store.add(f"{BEAT}{rank}", 0)
            if beat != beats[rank]:
                beats[rank], seen[rank] = beat, time.monotonic()
            elif time.monotonic() - seen[rank] > SILENCE_SECONDS:
                return {"rank": rank, "message": f"no sign of life for {SILENCE_SECONDS:g} s.", "status": 1}
        return None
