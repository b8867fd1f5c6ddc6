"""The terminal: a progress bar, or one dense line a step where there is no terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exvideo_blocks import CompiledBlocks
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """Prints to stderr in the main process, nothing in the others."""

    def __init__(self, enabled: bool) -> None:
        self.console = Console(stderr=True, quiet=not enabled, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self.console,
            disable=not enabled or not sys.stderr.isatty(),
        )
        self._task: Any = None

    def encoding(self, done: int, total: int) -> None:
        """Clips encoded so far."""
        if self._task is None:
            self.console.print(f"Encoding {total} clips, those that are not in the cache yet.")
            self.bar.start()
            self._task = self.bar.add_task("encoding", total=total, figures="")
        self.bar.update(self._task, completed=done)
        if done == total:
            self.bar.remove_task(self._task)

    def base_cannot_run(self, num_frames: int) -> None:
        """The base itself has no positions for the clips' length, so that there is nothing to compare with."""
        self.console.print(f"The base cannot run {num_frames} frames: held-out figures are the extension's alone.")

    def note(self, sentence: str) -> None:
        """Something that a person should know."""
        self.console.print(sentence)

    def resumed(self, checkpoint: Path, changed: Mapping[str, list[Any]]) -> None:
        """The run goes on from a checkpoint, perhaps with other settings: {key: [old, new]}."""
        self.console.print(f"Resumed from {checkpoint}.")
        for key, (old, new) in changed.items():
            self.console.print(f"From here on {key} is {new!r}; it was {old!r}.")

    def start(self, step: int, steps: int, clips: int, parameters: int) -> None:
        """Before the first step."""
        self.console.print(f"Training {parameters:,} parameters on {clips} clips, steps {step} to {steps}.")
        self.bar.start()
        self._task = self.bar.add_task("training", total=steps, completed=step, figures="")

    def step(self, step: int, figures: dict[str, float]) -> None:
        """After a step."""
        line = (
            f"loss {figures['loss']:.4f}  grad {figures['grad_norm']:.2f}  lr {figures['learning_rate']:.1e}  "
            f"{figures['seconds']:.2f} s (data {figures['data_wait_seconds']:.2f})  {figures['peak_gib']:.1f} GiB"
        )
        self.bar.update(self._task, completed=step, figures=line)
        if self.bar.disable:
            self.console.print(f"step {step}  {line}")

    def validation(self, step: int, figures: dict[str, float], base: dict[str, float]) -> None:
        """After an evaluation on held-out clips."""
        beaten = f"  (the base directly at this length: {base['validation_base/loss']:.4f})" if base else ""
        self.console.print(f"step {step}  held-out loss {figures['validation/loss']:.4f}{beaten}")

    def compiled(self, blocks: CompiledBlocks) -> None:
        """After the last step of a run whose blocks were compiled."""
        self.console.print(f"{blocks}.")

    def stop(self) -> None:
        """After the last step."""
        self.bar.stop()
