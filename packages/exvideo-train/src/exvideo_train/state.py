"""The state of a run."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainState:
    """All that changes in a run, beside the weights. Order of clips, noise and learning rate are functions of `step`.

    Args:
        step: optimizer updates made.
        validated: the step of the last evaluation that was finished; -1 before the first.
        history: settings changed in mid-run: {"step": ..., "changes": {key: [old, new]}}.
    """

    step: int = 0
    validated: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)

    def changed_here(self) -> dict[str, list[Any]]:
        """Settings that were changed at this very step: {key: [old, new]}."""
        here = [entry["changes"] for entry in self.history if entry["step"] == self.step]
        return {key: values for changes in here for key, values in changes.items()}
