"""Figures are read from what exvideo-train records, and a run without any is not passed over."""

import json
from pathlib import Path

import pytest
from PIL import Image

from demo.loss_curve import HeldOutLoss, draw_held_out_loss, read_held_out_loss


def write_metrics(path: Path, lines: list[dict[str, float]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def evaluation(extension: float, base: float) -> dict[str, float]:
    return {"validation/loss": extension, "validation_base/loss": base}


def test_evaluations_are_picked_from_among_the_steps(tmp_path: Path) -> None:
    metrics = write_metrics(
        tmp_path / "metrics.jsonl",
        [
            {"step": 0, **evaluation(0.5, 0.6), "validation/mse_sigma_0.3": 2.0, "validation_base/mse_sigma_0.3": 4.0},
            {"step": 1, "loss": 0.4},
            {"step": 2, **evaluation(0.3, 0.6), "validation/mse_sigma_0.3": 1.0, "validation_base/mse_sigma_0.3": 4.0},
        ],
    )
    assert read_held_out_loss(metrics) == HeldOutLoss(0.6, (0, 2), (0.5, 0.3), {0.3: (0.5, 0.25)})


def test_no_evaluation_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "metrics.jsonl", [{"step": 1, "loss": 0.4}])
    with pytest.raises(ValueError, match=r"metrics\.jsonl"):
        read_held_out_loss(metrics)


def test_the_picture_can_be_opened(tmp_path: Path) -> None:
    draw_held_out_loss(tmp_path / "loss.png", HeldOutLoss(0.6, (0, 2), (0.5, 0.3), {0.3: (0.9, 0.8)}), num_frames=40)
    assert Image.open(tmp_path / "loss.png").width > 400
