"""The kinds of optimizers, each against PyTorch's own in a loop written by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_train.cli import main

MakeConfig = Callable[..., Path]


def is_matrix(name: str) -> bool:
    *_, layer, kind = name.split(".")
    return kind == "weight" and not layer.startswith("norm") and "frame_table" not in name


@pytest.mark.parametrize("stage", [0, 1, *(pytest.param(stage, marks=pytest.mark.long) for stage in (2, 3))])
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.long)])
def test_norms_biases_and_tables_may_be_left_without_decay(
    make_config: MakeConfig, runs: Any, by_hand: Callable[..., Any], stage: int, precision: str
) -> None:
    changes = {"optimizer.weight_decay": 50.0, "optimizer.ema_decay": 0.5, "optimizer.steps": 3}
    engine = {"engine.zero_stage": stage, "engine.precision": precision}
    path = make_config(**changes, **engine, **{"optimizer.weight_decay_on": "matrices"})
    assert main(["--config", str(path)]) == 0
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    losses, masters, ema = by_hand(path, dtype, is_matrix)
    assert 0 < sum(map(is_matrix, masters)) < len(masters)
    tolerance = 1e-5 if precision == "fp32" else 1e-2
    torch.testing.assert_close(runs.figures("run", "loss"), losses, rtol=0, atol=tolerance)
    state = runs.tensors("run", 3)
    wanted = {f"master/{name}": value for name, value in masters.items()}
    wanted |= {f"ema/{name}": value for name, value in ema.items()}
    if precision == "fp32":
        torch.testing.assert_close({name: state[name] for name in wanted}, wanted, rtol=1e-4, atol=1e-4)


def test_a_level_of_tables_alone_has_no_matrix_to_decay(make_config: MakeConfig, runs: Any) -> None:
    for stage in (0, 2):
        level = {"extension": {"num_frames": 10, "level": "position"}, "optimizer.weight_decay": 50.0}
        path = make_config(f"{stage}", **level, **{"optimizer.weight_decay_on": "matrices", "engine.zero_stage": stage})
        assert main(["--config", str(path)]) == 0
    torch.testing.assert_close(runs.tensors("0", 4), runs.tensors("2", 4), rtol=1e-4, atol=1e-5)
    plain = make_config("plain", extension={"num_frames": 10, "level": "position"}, **{"optimizer.weight_decay": 0.0})
    assert main(["--config", str(plain)]) == 0
    assert all(torch.equal(value, runs.tensors("2", 4)[name]) for name, value in runs.tensors("plain", 4).items())
