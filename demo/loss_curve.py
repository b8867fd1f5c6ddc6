"""Held-out loss while post-tuning, in all and by noise level, as a picture and as numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOSS, ERROR = "loss", "mse_sigma_"  # exvideo-train's names, after "validation/" or "validation_base/"


@dataclass(frozen=True)
class HeldOutLoss:
    """Held-out loss at the extended length: the base's, and the extension's after so many steps.

    `by_sigma` has, for each noise level, the extension's squared error after so many steps, as a share of the base's.
    """

    base: float
    steps: tuple[int, ...]
    extension: tuple[float, ...]
    by_sigma: Mapping[float, tuple[float, ...]] = field(default_factory=dict)


def read_held_out_loss(metrics: Path) -> HeldOutLoss:
    """Reads what exvideo-train recorded in its metrics.jsonl.

    Raises:
        ValueError: if no evaluation is recorded there.
    """
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    evaluations = [line for line in lines if f"validation/{LOSS}" in line]
    if not evaluations:
        raise ValueError(f"{metrics} records no evaluation on held-out clips: the training did not run as configured.")
    first = evaluations[0]
    names = [key.removeprefix("validation/") for key in first]
    return HeldOutLoss(
        base=first[f"validation_base/{LOSS}"],
        steps=tuple(line["step"] for line in evaluations),
        extension=tuple(line[f"validation/{LOSS}"] for line in evaluations),
        by_sigma={
            float(name.removeprefix(ERROR)): tuple(
                line[f"validation/{name}"] / first[f"validation_base/{name}"] for line in evaluations
            )
            for name in names
            if name.startswith(ERROR)
        },
    )


def draw_held_out_loss(path: Path, loss: HeldOutLoss, num_frames: int) -> None:
    """Writes a PNG: the loss over steps beside the base's, and the error at each noise level over the base's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    whole, by_sigma = figure.subplots(1, 2)
    whole.axhline(loss.base, linestyle="--", color="tab:gray", label=f"base, run directly at {num_frames} frames")
    whole.plot(loss.steps, loss.extension, marker="o", color="tab:blue", label="with the extension")
    whole.set_ylabel(f"held-out loss at {num_frames} frames")
    by_sigma.axhline(1, linestyle="--", color="tab:gray", label="base")
    for sigma, shares in loss.by_sigma.items():
        by_sigma.plot(loss.steps, shares, marker="o", label=f"sigma {sigma:g}")
    by_sigma.set_ylabel("squared error, share of the base's")
    for axes in (whole, by_sigma):
        axes.set_xlabel("post-tuning steps")
        axes.margins(y=0.2)  # not from 0: the difference is small beside what no model could foresee
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
