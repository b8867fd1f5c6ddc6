"""The terminal: a live view, or one dense line a step where there is no terminal."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exvideo_blocks import CompiledBlocks
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from exvideo_train.bar import Bar
from exvideo_train.pace import clock
from exvideo_train.validation import Evaluation


class LiveView(Bar):
    """A progress bar, and under it the figures of the last step, wrapped to the terminal's width."""

    figures = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar and the figures."""
        yield from super().get_renderables()
        if self.figures:
            yield Text(self.figures)


class Display:
    """Prints to stderr in the main process, nothing in the others."""

    def __init__(self, enabled: bool) -> None:
        # A path or a prompt may hold brackets, which would be read as styles.
        self.console = Console(stderr=True, quiet=not enabled, highlight=False, soft_wrap=True, markup=False)
        off = not enabled or not sys.stderr.isatty()
        head = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        # What is left of an encoding goes by its speed; of a training by the median step, which no evaluation disturbs.
        self.clips = Bar(*head, TimeRemainingColumn(), console=self.console, disable=off)
        self.steps = LiveView(*head, TextColumn("{task.fields[left]}"), console=self.console, disable=off)
        self._encoding: TaskID | None = None
        self._training: TaskID | None = None

    def encoding(self, done: int, total: int) -> None:
        """Clips encoded so far."""
        if self._encoding is None:
            self.console.print(f"Encoding {total} clips, those that are not in the cache yet.")
            self.clips.start()
            self._encoding = self.clips.add_task("encoding", total=total)
        self.clips.update(self._encoding, completed=done)
        if done == total:
            self.clips.stop()

    def base_cannot_run(self, num_frames: int) -> None:
        """The base itself has no positions for the clips' length, so that there is nothing to compare with."""
        self.console.print(f"The base cannot run {num_frames} frames: figures and samples are the extension's alone.")

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
        self.steps.start()
        self._training = self.steps.add_task("training", total=steps, completed=step, left="")

    def step(self, step: int, figures: Mapping[str, float], seconds_left: float | None = None) -> None:
        """After a step.

        Args:
            figures: of `loop.Step` and of `pace.Pace`.
            seconds_left: of the steps to come; None where it is not known.
        """
        left = "" if seconds_left is None else f"ETA {clock(seconds_left)}"
        line = figures_line(figures)
        if self._training is not None:
            self.steps.figures = line
            self.steps.update(self._training, completed=step, left=left)
        if self.steps.disable:
            self.console.print("  ".join(part for part in (f"step {step}", line, left) if part))

    def validation(self, step: int, evaluation: Evaluation, base: Evaluation | None) -> None:
        """After an evaluation on held-out clips."""
        beaten = "" if base is None else f"  (the base directly at this length: {base.loss:.4f})"
        self.console.print(f"step {step}  held-out loss {evaluation.loss:.4f}{beaten}")

    def compiled(self, blocks: CompiledBlocks) -> None:
        """After the last step of a run whose blocks were compiled."""
        self.console.print(f"{blocks}.")

    def stop(self) -> None:
        """After the last step."""
        self.clips.stop()
        self.steps.stop()


def figures_line(figures: Mapping[str, float]) -> str:
    """The figures of a step in one line: those that a person watches."""
    parts = [
        f"loss {figures['loss']:.4f}",
        f"grad {figures['grad_norm']:.2f}",
        f"lr {figures['learning_rate']:.1e}",
        f"{figures['clips_per_second']:.3g} clips/s",
        f"waiting {100 * figures['data_wait_share']:.1f}%",
        f"{figures['peak_gib']:.1f} GiB",
    ]
    if "mfu" in figures:
        parts.append(f"MFU {100 * figures['mfu']:.1f}%")
    return "  ".join(parts)
