"""Held-out loss by noise level and frame, the base's kept, and training loss by noise level."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_train.cli import main
from exvideo_train.loss_by_level import BINS, LossByLevel
from exvideo_train.state import TrainState
from exvideo_train.validation import Evaluation, Validation, drop_records_after, write_record

MakeConfig = Callable[..., Path]

# Errors along a clip of six frames at two noise levels, of a base of four frames.
EVALUATION = Evaluation(
    sigmas=[1.0, 20.0],
    loss=0.5,
    loss_by_sigma=[0.4, 0.6],
    mse_by_sigma=[2.0, 4.0],
    mse_by_frame=[[1, 1, 2, 2, 3, 3], [3, 3, 4, 4, 5, 5]],
)


def test_figures_tell_where_in_the_clip_and_at_which_noise() -> None:
    assert EVALUATION.figures(base_rows=4) == {
        "loss": 0.5,
        "loss_sigma_1": 0.4,
        "mse_sigma_1": 2.0,
        "loss_sigma_20": 0.6,
        "mse_sigma_20": 4.0,
        "mse_first_third": 2.0,
        "mse_middle_third": 3.0,
        "mse_last_third": 4.0,
        "mse_beyond_base": 4.0,
    }
    assert "mse_beyond_base" not in EVALUATION.figures(base_rows=6)


def test_a_record_holds_the_curves_and_later_ones_go_when_a_run_goes_on_before_them(tmp_path: Path) -> None:
    for step in (0, 50, 100):
        paths = write_record(tmp_path, step, EVALUATION, EVALUATION if step else None, base_rows=4)
        assert all(path.stat().st_size > 0 for path in paths)
    content = json.loads((tmp_path / "step-00000050.json").read_text())
    assert content["mse_by_frame"] == content["base"]["mse_by_frame"] == EVALUATION.mse_by_frame
    assert (content["step"], content["base_rows"]) == (50, 4)
    (tmp_path / "base.json").touch()
    drop_records_after(tmp_path, 50)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base.json", "step-00000000.json", "step-00000000.png", "step-00000050.json", "step-00000050.png",
    ]  # fmt: skip


def test_the_base_is_measured_once(
    make_config: MakeConfig, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Validation.__call__, []

    def counted(self: Validation, network: Any, dtype: torch.dtype) -> Any:
        calls.append(type(network).__name__)
        return real(self, network, dtype)

    monkeypatch.setattr(Validation, "__call__", counted)

    def run(steps: int, **changes: Any) -> list[str]:
        calls.clear()
        validation = {"validation.videos": str(footage / "held_out"), "validation.every": 100}
        path = make_config(**validation, **{"optimizer.steps": steps, "validation.sigmas": [2.0]} | changes)
        assert main(["--config", str(path)]) == 0
        return list(calls)

    base = "UNetSpatioTemporalConditionModel"
    assert run(2) == [base, "Engine", "Engine"]
    assert run(3) == ["Engine"]  # resumed
    kept = json.loads((tmp_path / "run" / "validation" / "base.json").read_text())["evaluation"]
    last = json.loads((tmp_path / "run" / "validation" / "step-00000003.json").read_text())
    assert last["base"] == kept
    # The mean along the clip is the mean of the clip.
    assert sum(last["mse_by_frame"][0]) / 10 == pytest.approx(last["mse_by_sigma"][0], rel=1e-5)
    assert run(4, **{"validation.sigmas": [2.0, 3.0]}) == [base, "Engine"]  # other figures


def test_losses_are_told_by_noise_level_in_bins_of_equal_share() -> None:
    objective = SigmaObjective()
    bins = LossByLevel(objective, [(10, 1)])
    generator = torch.Generator().manual_seed(1)
    levels = torch.stack([objective.draw(generator, 10) for _ in range(6000)])
    counts = bins.sums(levels, torch.ones(6000))[BINS:]
    assert sum(counts) == 6000
    assert all(850 < count < 1150 for count in counts)  # a sixth each
    state = TrainState()
    state.add_losses(bins.sums(torch.tensor([1e-3, 500.0]), torch.tensor([0.5, 3.0])))
    state.add_losses(bins.sums(torch.tensor([600.0]), torch.tensor([5.0])))
    figures = bins.figures(state.losses)
    lowest, highest = figures
    assert figures == {lowest: 0.5, highest: 4.0}
    assert lowest.startswith("loss_by_level/below_")
    assert highest.startswith("loss_by_level/from_")
