"""Nothing that is not finite reaches the weights: what all processes tell each other before an update."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from exvideo_train.atomic import write_json
from exvideo_train.errors import TrainingDivergedError
from exvideo_train.processes import Processes

HISTORY = 50  # steps whose figures stand in the report of a divergence


@dataclass(frozen=True)
class Word:
    """A process's word before an update.

    Args:
        loss: sum over its samples.
        gradient_square: its part of the squared norm of the gradient.
        stop, save: it was asked to.
        writer_failed: it could not write its part of a checkpoint.
        peak_gib: the most memory that it has held.
        by_level: `LossByLevel.sums` of its samples.
    """

    loss: float
    gradient_square: float
    stop: bool
    save: bool
    writer_failed: bool
    peak_gib: float
    by_level: Sequence[float] = ()


@dataclass(frozen=True)
class Verdict:
    """The words of all processes, as each of them knows them.

    Args:
        loss: sum over all samples.
        grad_norm: norm of the gradient over all trained parameters, before clipping.
        stop, save, writer_failed: one process says so.
        peak_gib: of the process with most.
        peak_rank: that process.
        by_level: `LossByLevel.sums` of all samples.
    """

    loss: float
    grad_norm: float
    stop: bool
    save: bool
    writer_failed: bool
    peak_gib: float
    peak_rank: int
    by_level: Sequence[float] = ()

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)

    @property
    def overflows(self) -> bool:
        """True if the gradient alone is not finite, as when it is beyond the range of fp16."""
        return math.isfinite(self.loss) and not math.isfinite(self.grad_norm)


def agree(processes: Processes, word: Word) -> Verdict:
    """Exchanges words in one reduction; every process must call, and gets the same verdict."""
    own = [word.loss, word.gradient_square, word.stop, word.save, word.writer_failed]
    peaks = [0.0] * processes.count
    peaks[processes.rank] = word.peak_gib
    told = [*(float(value) for value in own), *peaks, *word.by_level]
    total = processes.sum(torch.tensor(told, dtype=torch.float64)).tolist()
    loss, square, stop, save, writer_failed = total[: len(own)]
    peaks, by_level = total[len(own) :][: processes.count], total[len(own) + processes.count :]
    peak_gib = max(peaks)
    norm = math.sqrt(square) if square >= 0 else math.nan
    return Verdict(loss, norm, stop > 0, save > 0, writer_failed > 0, peak_gib, peaks.index(peak_gib), by_level)


@dataclass(frozen=True)
class Sample:
    """A sample of a step, as it stands in the report of a divergence.

    Args:
        index: within the step's global batch; with the run's seed and the step, the key of its noise.
        clip: the video's path.
        start: the clip's first frame.
        caption: None for the empty prompt.
        level: its noise level, as the objective has it (sigma, or a timestep).
        loss: of the sample.
        gradient_is_finite: False for a micro-batch whose gradient is not finite.
    """

    index: int
    clip: str
    start: int
    caption: str | None
    level: float
    loss: float
    gradient_is_finite: bool


class History:
    """Figures of the last steps, for the report of a divergence."""

    def __init__(self) -> None:
        self._figures: deque[dict[str, float]] = deque(maxlen=HISTORY)

    def add(self, step: int, verdict: Verdict, loss: float) -> None:
        self._figures.append({"step": step, "loss": loss, "grad_norm": verdict.grad_norm})

    def figures(self) -> list[dict[str, float]]:
        return list(self._figures)


def refuse_step(
    processes: Processes,
    samples: Sequence[Sample],
    about: dict[str, Any],
    ways: Mapping[str, str],
    folder: Path,
) -> None:
    """Writes `diverged-step-N.json` to the run's folder, and ends the run; every process must call.

    Args:
        samples: those of this process.
        about: the step: "step" (from 1), loss, norm, learning rate, seed, figures of the steps before.
        ways: changes of settings with which it may go on, and what each does.
        folder: of the run.

    Raises:
        TrainingDivergedError: always, the same in every process, naming the clips.
    """
    ranks = processes.gather([asdict(sample) for sample in samples])
    culprits = [
        (rank, sample)
        for rank, own in enumerate(ranks)
        for sample in own
        if not (sample["gradient_is_finite"] and math.isfinite(sample["loss"]))
    ]
    path = folder / f"diverged-step-{about['step']}.json"
    if processes.is_main:
        write_json(path, about | {"ranks": [{"rank": rank, "samples": own} for rank, own in enumerate(ranks)]})
    where = ", ".join(f"{_name(sample)} on rank {rank}" for rank, sample in culprits[:4])
    if len(culprits) > 4:
        where += f" and {len(culprits) - 4} more"
    what = "loss" if not math.isfinite(about["loss"]) else "gradient"
    value = about["loss"] if what == "loss" else about["grad_norm"]
    raise TrainingDivergedError(
        f"The {what} is {value} at step {about['step']}"
        + (f", from {where}" if where else ", though every process's own is finite: their sum is too large")
        + f". Weights, moments and EMA are as they were before it; {path} says more.",
        ways,
    )


def _name(sample: dict[str, Any]) -> str:
    return f"{sample['clip']} (frames from {sample['start']}, noise level {sample['level']:.4g})"
