"""The factor on the loss of a run in fp16."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exvideo_train.engine
import pytest
import torch
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.engine import Engine, check_precision
from exvideo_train.errors import UserError
from exvideo_train.loss_scale import GROWS_AFTER, LARGEST, LossScale
from exvideo_train.processes import Processes
from exvideo_train.state import TrainState
from torch import nn

MakeConfig = Callable[..., Path]


def test_it_falls_with_an_overflow_and_grows_in_time() -> None:
    scale = LossScale(factor=8.0)
    for _ in range(GROWS_AFTER - 1):
        scale.hold()
    assert scale.factor == 8
    scale.fall()
    assert (scale.factor, scale.overflows) == (4, 1)
    for _ in range(GROWS_AFTER):
        scale.hold()
    assert scale.factor == 8
    for _ in range(3):
        assert scale.can_fall
        scale.fall()
    assert (scale.factor, scale.can_fall) == (1, False)
    scale = LossScale(LARGEST, GROWS_AFTER - 1)
    scale.hold()
    assert scale.factor == LARGEST


def test_it_does_not_change_the_bits_of_an_update(make_config: MakeConfig) -> None:
    weights = []
    for scale in (1.0, 2.0**12):
        config = load_config(make_config(**{"engine.zero_stage": 0, "engine.precision": "bf16"}))
        torch.manual_seed(0)
        network = nn.Linear(8, 4)
        engine = Engine(network, dict(network.named_parameters()), config, Processes())
        engine.set_learning_rate(0.1)
        for _ in range(3):
            engine.loss_scale = scale
            for turn in range(engine.micro_batches):
                engine.backward(engine(torch.ones(2, 8, dtype=torch.bfloat16)).float().square().mean(), turn)
            engine.update(engine.gradient_square() ** 0.5)
        weights.append(dict(engine.read_state("master")))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_fp16_is_refused_where_there_is_no_gpu(make_config: MakeConfig) -> None:
    check_precision("fp16", torch.device("cuda"))
    with pytest.raises(UserError, match=r"engine\.precision: fp16 is for GPUs, and there is none here: set it to fp32"):
        check_precision("fp16", torch.device("cpu"))
    with pytest.raises(UserError, match="precision=fp16 does not go with zero_stage=2"):
        load_config(make_config(**{"engine.precision": "fp16", "engine.zero_stage": 2}))


@pytest.mark.long
def test_a_step_that_overflows_is_tried_again_and_a_run_resumes_to_the_same_bits(
    make_config: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exvideo_train.engine, "check_precision", lambda precision, device: None)  # a CPU can, slowly
    monkeypatch.setattr("exvideo_train.run.TrainState", lambda: TrainState(loss_scale=LossScale(2.0**28)))
    settings = {"engine.precision": "fp16", "engine.zero_stage": 0, "optimizer.ema_decay": 0.5}
    for name, steps in (("whole", 4), ("broken", 2), ("broken", 4)):
        assert main(["--config", str(make_config(name, **settings | {"optimizer.steps": steps}))]) == 0
    runs.assert_same_end("whole", "broken", 4)
    overflows, factors = runs.figures("whole", "overflows"), runs.figures("whole", "loss_scale")
    assert overflows[0] > 0  # 2^28 times the loss is beyond fp16
    assert factors == [2.0 ** (28 - count) for count in overflows]
    state = json.loads((tmp_path / "whole" / "checkpoints" / "step-00000004" / "state.json").read_text())
    assert (state["step"], state["optimizer_step"]) == (4, 4)  # no step was left out
    assert state["loss_scale"] == {"factor": factors[-1], "updates": 4, "overflows": overflows[-1]}
    assert main(["--config", str(make_config("fp32", **settings | {"engine.precision": "fp32"}))]) == 0
    losses = [torch.tensor(runs.figures(name, "loss")) for name in ("whole", "fp32")]
    torch.testing.assert_close(*losses, rtol=0.02, atol=0)
