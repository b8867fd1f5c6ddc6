"""One result for all ZeRO stages, numbers of processes and of micro-batches, and that of a loop written out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_train.cli import main

MakeConfig = Callable[..., Path]
TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}


@pytest.mark.parametrize(
    ("precision", "steps"), [("fp32", 6), *(pytest.param("bf16", steps, marks=pytest.mark.long) for steps in (6, 50))]
)
def test_stage_0_is_the_loop_written_by_hand(
    make_config: MakeConfig, runs: Any, by_hand: Any, precision: str, steps: int
) -> None:
    changes = {"engine.precision": precision, "engine.zero_stage": 0, "checkpoint.every": 100}
    path = make_config(**changes, **{"optimizer.steps": steps, "engine.gradient_checkpointing": False})
    assert main(["--config", str(path)]) == 0
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    losses = torch.tensor(runs.figures("run", "loss"))
    torch.testing.assert_close(losses, torch.tensor(by_hand(path, dtype)[0]), rtol=0, atol=TOLERANCE[precision])


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_all_stages_on_one_and_two_processes_are_the_loop_by_hand(
    make_config: MakeConfig, tmp_path: Path, runs: Any, by_hand: Callable[..., Any], precision: str
) -> None:
    def config(name: str, stage: int) -> Path:
        changes = {"engine.precision": precision, "engine.zero_stage": stage, "data.cache": str(tmp_path / "cache")}
        return make_config(name, **changes, **{"optimizer.steps": 50, "checkpoint.every": 100})

    expected = by_hand(config("hand", 0), torch.bfloat16 if precision == "bf16" else torch.float32)[0]
    apart = {}
    for stage in (0, 1, 2, 3):
        for processes in (1, 2):
            name = f"stage{stage}x{processes}"
            status, said = runs.finish(config(name, stage), processes=processes)
            assert status == 0, said
            losses = runs.figures(name, "loss")
            apart[name] = max(abs(one - other) for one, other in zip(losses, expected, strict=True))
    print(precision, apart)
    assert max(apart.values()) < TOLERANCE[precision], apart


@pytest.mark.long
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_micro_batches_are_added_up_in_fp32(make_config: MakeConfig, runs: Any, precision: str, stage: int) -> None:
    for name, micro in (("whole", 16), ("parts", 1)):
        changes = {"optimizer.batch_size": 16, "optimizer.micro_batch_size": micro, "optimizer.steps": 3}
        path = make_config(name, **changes, **{"engine.precision": precision, "engine.zero_stage": stage})
        assert main(["--config", str(path)]) == 0
    whole, parts = (torch.tensor(runs.figures(name, "loss")) for name in ("whole", "parts"))
    torch.testing.assert_close(parts, whole, rtol=0, atol={"fp32": 1e-5, "bf16": 1e-3}[precision])


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("stage", "processes"), [(0, 1), (3, 2)])
def test_two_processes_at_stage_2_go_on_at_another_stage(
    make_config: MakeConfig, runs: Any, stage: int, processes: int
) -> None:
    assert runs.finish(make_config("whole"), processes=2)[0] == 0
    assert runs.finish(make_config("mixed", **{"optimizer.steps": 2}), processes=2)[0] == 0
    other = make_config("mixed", **{"engine.zero_stage": stage})
    status, said = runs.finish(other, processes=processes)
    assert status == 0, said
    assert "Resumed from" in said
    torch.testing.assert_close(runs.tensors("mixed", 4), runs.tensors("whole", 4), rtol=1e-4, atol=1e-4)
