"""The error of a clip that a measure has no number of."""


class UnfitClipError(ValueError):
    """A clip that a measure cannot be of, where it can be of others: `reason` is a clause to stand behind its name."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"A clip {reason}.")
        self.reason = reason
