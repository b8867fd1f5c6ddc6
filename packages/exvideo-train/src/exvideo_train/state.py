"""The state of a run."""

from dataclasses import dataclass, field
from typing import Any

from exvideo_train.loss_scale import LossScale


@dataclass
class TrainState:
    """All that changes in a run, beside the weights. Order of clips, noise and learning rate are functions of `step`.

    Args:
        step: optimizer updates made.
        validated: the step of the last evaluation that was finished; -1 before the first.
        losses: of the samples since the last record by noise level, as `LossByLevel.sums` has them; empty for none.
        loss_scale: of a run in fp16.
        history: settings changed in mid-run: {"step": ..., "changes": {key: [old, new]}}.
    """

    step: int = 0
    validated: int = -1
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    loss_scale: LossScale = field(default_factory=LossScale)

    def add_losses(self, sums: list[float]) -> None:
        """Adds those of a step."""
        self.losses = [total + more for total, more in zip(self.losses, sums, strict=True)] if self.losses else sums

    def changed_here(self) -> dict[str, list[Any]]:
        """Settings that were changed at this very step: {key: [old, new]}."""
        here = [entry["changes"] for entry in self.history if entry["step"] == self.step]
        return {key: values for changes in here for key, values in changes.items()}
