"""Held-out loss while post-tuning, as a picture and as two numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HeldOutLoss:
    """Held-out loss at the extended length: the base's, and the extension's after so many steps."""

    base: float
    steps: tuple[int, ...]
    extension: tuple[float, ...]


def read_held_out_loss(metrics: Path) -> HeldOutLoss:
    """Reads what exvideo-train recorded in its metrics.jsonl.

    Raises:
        ValueError: if no evaluation is recorded there.
    """
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    evaluations = [line for line in lines if "validation/loss" in line]
    if not evaluations:
        raise ValueError(f"{metrics} records no evaluation on held-out clips: the training did not run as configured.")
    return HeldOutLoss(
        base=evaluations[0]["validation_base/loss"],
        steps=tuple(line["step"] for line in evaluations),
        extension=tuple(line["validation/loss"] for line in evaluations),
    )


def draw_held_out_loss(path: Path, loss: HeldOutLoss, num_frames: int) -> None:
    """Writes a PNG: the base's loss as a dashed line, the extension's as a curve over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(loss.base, linestyle="--", color="tab:gray", label=f"base, run directly at {num_frames} frames")
    axes.plot(loss.steps, loss.extension, marker="o", color="tab:blue", label="with the extension")
    axes.set_xlabel("post-tuning steps")
    axes.set_ylabel(f"held-out loss at {num_frames} frames")
    axes.margins(y=0.2)  # not from 0: the difference is small beside what no model could foresee
    axes.legend()
    figure.savefig(path, dpi=120)
