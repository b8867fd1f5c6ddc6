"""One training run, whichever network it is of: AdamW, a warm cosine, an average of the weights, exact resume.

Files in the run's folder: `checkpoint.safetensors` (weights, average and moments), `losses.jsonl`, `loss_curve.png`.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from torch import Tensor, nn

from tiny_world.system.side_by_side import PARTS, side_by_side

CHECKPOINT = "checkpoint.safetensors"
LOSSES = "losses.jsonl"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Schedule:
    """Steps and rates: linear warm-up, then a cosine to a hundredth of `learning_rate`."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    max_grad_norm: float = 1.0
    half: bool = False  # the network computes in bfloat16; weights are kept and averaged in float32
    checkpoint_every: int = 100
    log_every: int = 20

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + cos(pi * step / self.steps)))


# (step, part, parts) -> a closure for the loss of that part of the step's batch; what it draws is keyed by these.
PartOfStep = Callable[[int, int, int], Callable[[], Tensor]]


def keyed_seed(seed: int, purpose: str, *key: int) -> int:
    """A seed that is a function of its arguments alone, below 2^63."""
    digest = sha256(":".join([purpose, *map(str, (seed, *key))]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generators(seed: int, purpose: str, *key: int) -> tuple[np.random.Generator, torch.Generator]:
    """NumPy's and PyTorch's, both keyed."""
    number = keyed_seed(seed, purpose, *key)
    return np.random.default_rng(number), torch.Generator().manual_seed(number)


def train(network: nn.Module, part_of_step: PartOfStep, schedule: Schedule, folder: Path) -> None:
    """Trains in place from where the folder's checkpoint ends; leaves the averaged weights in the network.

    Args:
        network: on the device that it is trained on.
        part_of_step: gives the loss of a part of a step's batch.
        schedule: of the run; a longer one than the checkpoint's goes on along its own cosine.
        folder: of the run, made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(network, schedule, folder)
    on_gpu = next(network.parameters()).device.type == "cuda"
    network.train()
    started, first = time.perf_counter(), run.step
    with side_by_side(network, 1 if on_gpu else PARTS) as backward:
        while run.step < schedule.steps:
            parts = 1 if on_gpu else PARTS
            closures = [part_of_step(run.step, part, parts) for part in range(parts)]
            run.update(backward(closures))
            if run.step % schedule.log_every == 0 or run.step == schedule.steps:
                seconds = time.perf_counter() - started
                run.log(seconds)
                left = seconds / (run.step - first) * (schedule.steps - run.step)
                print(
                    f"{folder.name} {run.step}/{schedule.steps} loss {run.recent:.4f}, {left / 60:.1f} min left",
                    flush=True,
                )
            if run.step % schedule.checkpoint_every == 0 or run.step == schedule.steps:
                run.save()
    run.use_average()
    network.eval()
    draw_loss_curves([folder], folder / "loss_curve.png")


def averaged_weights(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The average that a run's checkpoint holds, and its step.

    Raises:
        ValueError: there is no checkpoint, or it is damaged.
    """
    tensors, metadata = read_safetensors(folder / CHECKPOINT)
    prefix = "average."
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}, int(metadata["step"])


def draw_loss_curves(folders: Sequence[Path], path: Path) -> None:
    """Draws the `losses.jsonl` of some runs side by side."""
    from matplotlib.figure import Figure

    columns = min(3, len(folders))
    rows = -(-len(folders) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for number, folder in enumerate(folders):
        lines = [json.loads(line) for line in (folder / LOSSES).read_text().splitlines()]
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], linewidth=1)
        axes.set(xlabel="step", ylabel="loss", yscale="log", title=folder.name)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)


class _Run:
    """Weights, their average, the optimizer and the log of one run."""

    def __init__(self, network: nn.Module, schedule: Schedule, folder: Path) -> None:
        self.schedule, self.folder, self.step = schedule, folder, 0
        self.network = network
        self.used = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.named = {name: p.detach().clone().requires_grad_() for name, p in self.used.items()}
        self.average = {name: p.detach().clone() for name, p in self.named.items()}
        self.optimizer = torch.optim.AdamW(
            self.named.values(), lr=1.0, betas=(0.9, 0.99), weight_decay=schedule.weight_decay
        )
        for parameter in self.named.values():
            self.optimizer.state[parameter] = {"step": torch.tensor(0.0)} | {
                moment: torch.zeros_like(parameter) for moment in MOMENTS
            }
        self._losses: list[float] = []
        self.recent = float("nan")
        if (folder / CHECKPOINT).exists():
            self._load()
        else:
            (folder / LOSSES).write_text("")
        if schedule.half:
            network.to(torch.bfloat16)
        self._use(self.named)

    def update(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"Step {self.step} of {self.folder} has a loss of {loss}: lower the learning rate."
            )
        self.optimizer.param_groups[0]["lr"] = self.schedule.rate(self.step)
        for name, parameter in self.named.items():
            given = self.used[name].grad
            parameter.grad = None if given is None else given.to(parameter.dtype)
        nn.utils.clip_grad_norm_(self.named.values(), self.schedule.max_grad_norm)
        self.optimizer.step()
        self._use(self.named)
        self.step += 1
        decay = min(self.schedule.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.named.values()), 1 - decay)
        self._losses.append(loss)

    def log(self, seconds: float) -> None:
        self.recent = sum(self._losses) / len(self._losses)
        self._losses.clear()
        with (self.folder / LOSSES).open("a") as file:
            file.write(json.dumps({"step": self.step, "loss": self.recent, "seconds": round(seconds, 1)}) + "\n")

    def save(self) -> None:
        tensors = {f"average.{name}": tensor for name, tensor in self.average.items()}
        for name, parameter in self.named.items():
            tensors[f"weights.{name}"] = parameter
            tensors |= {f"{moment}.{name}": self.optimizer.state[parameter][moment] for moment in MOMENTS}
        write_safetensors(self.folder / CHECKPOINT, tensors, {"step": str(self.step)})

    def use_average(self) -> None:
        """Leaves the average in the network, in float32."""
        self.network.to(torch.float32)
        self._use(self.average)

    @torch.no_grad()
    def _use(self, weights: dict[str, Tensor]) -> None:
        torch._foreach_copy_(list(self.used.values()), list(weights.values()))

    def _load(self) -> None:
        tensors, metadata = read_safetensors(self.folder / CHECKPOINT)
        self.step = int(metadata["step"])
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(tensors[f"weights.{name}"])
                self.average[name].copy_(tensors[f"average.{name}"])
                state = self.optimizer.state[parameter]
                state["step"].fill_(self.step)
                for moment in MOMENTS:
                    state[moment].copy_(tensors[f"{moment}.{name}"])
        lines = (self.folder / LOSSES).read_text().splitlines()
        kept = [line for line in lines if json.loads(line)["step"] <= self.step]
        (self.folder / LOSSES).write_text("".join(line + "\n" for line in kept))
