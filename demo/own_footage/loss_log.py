"""What a short training prints while it runs and leaves behind: a progress line now and then, and a JSON file."""

from __future__ import annotations

import json
import os
import time
from math import ceil
from pathlib import Path


class LossLog:
    """Collects the loss of every step.

    Args:
        name: what is trained, for the progress line.
        steps: how many steps there will be.
        lines: how many progress lines to print in all.
    """

    def __init__(self, name: str, steps: int, lines: int = 6) -> None:
        self.name = name
        self.steps = steps
        self.every = ceil(steps / lines)
        self.losses: list[float] = []
        self._start = time.perf_counter()

    def add(self, loss: float) -> None:
        """Records one step's loss; every so often prints the mean of those since the last line."""
        self.losses.append(loss)
        done = len(self.losses)
        if done % self.every == 0 or done == self.steps:
            recent = self.losses[(done - 1) // self.every * self.every :]
            seconds = time.perf_counter() - self._start
            mean = sum(recent) / len(recent)
            print(f"  {self.name} step {done}/{self.steps}  loss {mean:.4f}  {seconds:.0f} s", flush=True)

    def write(self, path: Path) -> None:
        """Writes `{"name": ..., "losses": [...]}`, whole or not at all."""
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps({"name": self.name, "losses": self.losses}))
        os.replace(temporary, path)
