"""Errors of a run, each told in one sentence."""


class UserError(ValueError):
    """A mistake in what was asked for; the command line prints it as one sentence, without a traceback."""


class TrainingDivergedError(RuntimeError):
    """The loss is not finite; the weights were not touched by it."""
