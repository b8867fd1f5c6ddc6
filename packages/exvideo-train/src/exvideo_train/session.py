"""The frame around a command: its processes, its terminal, what it is asked meanwhile, and its lock on the output."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from exvideo_train.config import TrainConfig
from exvideo_train.data.sources import check_folders
from exvideo_train.display import Display
from exvideo_train.errors import OtherProcessError, TrainingStoppedError, UserError, exit_status
from exvideo_train.lock import Lock
from exvideo_train.processes import Processes, is_of_a_collective
from exvideo_train.stop import Requests

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """The processes of a command, what it prints, and what it is asked while it works."""

    processes: Processes
    display: Display
    requests: Requests


def in_session(config: TrainConfig, act: Callable[[Session], T]) -> T:
    """The value of a function, in every process; the error of one of them ends all.

    Args:
        config: its output is locked meanwhile.
        act: what is to be done.

    Raises:
        UserError: a folder of videos is missing, another run holds the output, or as `act`.
        OtherProcessError: another process has failed.
    """
    check_folders(config)  # a wrong folder is told before anything slow is loaded
    processes = Processes(config.distributed)
    display = Display(processes.is_main)
    processes.watch.before_exit = display.stop
    try:
        with Lock(config.output, processes), Requests(config.output) as requests, _deterministic(config):
            try:
                value = act(Session(processes, display, requests))
            except TrainingStoppedError:
                if processes.is_main:
                    requests.fulfilled()
                raise
            processes.wait()
    except BaseException as error:
        display.stop()
        _tell_others(processes, error)
        raise
    processes.watch.close()
    return value


def _tell_others(processes: Processes, error: BaseException) -> None:
    """Ends the other processes, with this one's sentence.

    Raises:
        OtherProcessError: this process's error comes from the failure of another one.
    """
    if isinstance(error, OtherProcessError):
        return
    if not isinstance(error, UserError) and (other := processes.watch.heard()) is not None:
        raise other from error
    if is_of_a_collective(error):
        raise OtherProcessError(
            "A process of the run is gone, killed perhaps: the same command goes on from the last checkpoint.",
            exit_status(error),
            told=False,
        ) from error
    processes.watch.announce(str(error) or type(error).__name__, exit_status(error))


@contextmanager
def _deterministic(config: TrainConfig) -> Iterator[None]:
    """Makes PyTorch compute in the same order every time, or say that it cannot."""
    if not config.engine.deterministic:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with ExitStack() as stack:
        stack.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
        stack.callback(setattr, torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        yield
