"""Errors of a run, each told in one sentence, and the exit status that the command line gives for each."""

from collections.abc import Mapping


class UserError(ValueError):
    """A mistake in what was asked for; the command line prints it as one sentence, without a traceback."""


class TrainingDivergedError(RuntimeError):
    """A loss or a gradient is not finite; weights, moments, EMA and step are as they were before it.

    Args:
        ways: values of `--change` with which the run may go on, and what each does.

    Attributes:
        saved: the step of the newest checkpoint; None if there is none.
    """

    def __init__(self, message: str, ways: Mapping[str, str]) -> None:
        super().__init__(message)
        self.ways = dict(ways)
        self.saved: int | None = None

    def commands(self, command: str) -> str:
        """The ways to go on, as commands."""
        start = "from the start" if self.saved is None else f"from the checkpoint of step {self.saved}"
        lines = [f"  {command} --change {change}    # {what}" for change, what in self.ways.items()]
        return "\n".join([f"To go on {start}, with one or more of:", *lines])


class OutputError(RuntimeError):
    """The run's folder cannot be written to any more, as when a disk is full; the last checkpoint is whole."""


class TrainingStoppedError(RuntimeError):
    """The run was asked to stop, and did, with its state saved: the same command goes on from there."""


class OtherProcessError(RuntimeError):
    """Another process of the run has failed.

    Args:
        status: the exit status for this one.
        told: it has said why; one that was killed has not.
    """

    def __init__(self, message: str, status: int, *, told: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.told = told


STOPPED = 75  # EX_TEMPFAIL: try again later


def exit_status(error: BaseException) -> int:
    """The command line's exit status: 1 failed, 2 bad input, 75 stopped and to be started again."""
    if isinstance(error, OtherProcessError):
        return error.status
    if isinstance(error, TrainingStoppedError):
        return STOPPED
    return 2 if isinstance(error, UserError) else 1
