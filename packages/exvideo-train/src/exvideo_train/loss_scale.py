"""The factor on the loss that keeps gradients in the range of fp16 (mixed precision, arXiv 1710.03740, section 3.2)."""

from dataclasses import dataclass

GROWS_AFTER = 2000  # updates in a row without an overflow, as in PyTorch's GradScaler
LARGEST = 2.0**24


@dataclass
class LossScale:
    """A power of two: halved when a gradient overflows, after which the step is tried again, and doubled in time.

    Args:
        factor: on the loss, at least 1.
        updates: made since it last changed.
        overflows: in all.
    """

    factor: float = 2.0**16
    updates: int = 0
    overflows: int = 0

    @property
    def can_fall(self) -> bool:
        """True while an overflow may be the factor's fault."""
        return self.factor > 1

    def fall(self) -> None:
        """After an overflow."""
        self.factor, self.updates, self.overflows = max(1.0, self.factor / 2), 0, self.overflows + 1

    def hold(self) -> None:
        """After an update."""
        self.updates += 1
        if self.updates >= GROWS_AFTER:
            self.factor, self.updates = min(LARGEST, self.factor * 2), 0
