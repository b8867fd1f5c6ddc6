"""Nothing that is not finite reaches the weights, at any stage and precision, and the clip is named."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeConfig = Callable[..., Path]
SCRIPT = str(Path(__file__).with_name("in_the_way.py"))
ALL = [(stage, precision) for stage in (0, 1, 2, 3) for precision in ("fp32", "bf16")]


@pytest.mark.long
@pytest.mark.parametrize(("stage", "precision"), ALL)
def test_a_nan_gradient_on_one_rank_changes_nothing_and_its_clip_is_named(
    make_config: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch, stage: int, precision: str
) -> None:
    changes = {"engine.zero_stage": stage, "engine.precision": precision, "checkpoint.every": 2}
    path = make_config(**changes, **{"optimizer.batch_size": 4, "optimizer.steps": 4})
    monkeypatch.setenv("IN_THE_WAY", json.dumps({"nan_gradient": {"rank": 1, "step": 3}}))
    status, said = runs.finish(path, processes=2, module=SCRIPT)
    assert status == 1
    assert "rank 0: nothing was changed" in said
    assert "rank 1: nothing was changed" in said
    assert said.count("The gradient is nan at step 3") == 1  # of one process, for all
    report = json.loads((tmp_path / "run" / "diverged-step-3.json").read_text())
    samples = [(rank["rank"], sample) for rank in report["ranks"] for sample in rank["samples"]]
    bad = [(rank, sample) for rank, sample in samples if not sample["gradient_is_finite"]]
    assert {rank for rank, _ in bad} == {1}
    assert {sample["index"] for _, sample in bad} == {1, 3}  # of four, dealt to two
    assert all(f"{sample['clip']} (frames from {sample['start']}" in said for _, sample in bad)
    assert [step["step"] for step in report["steps_before"]] == [1, 2]
    assert runs.figures("run", "loss") == [step["loss"] for step in report["steps_before"]]

    monkeypatch.setenv("IN_THE_WAY", "{}")
    (command,) = [line for line in said.splitlines() if "--change seed=1" in line]
    arguments = shlex.split(command, comments=True)[1:]
    status, said = runs.finish(path, *arguments[2:], processes=2)
    assert status == 0, said
    state = json.loads((tmp_path / "run" / "checkpoints" / "step-00000004" / "state.json").read_text())
    assert state["history"] == [{"step": 2, "changes": {"seed": [0, 1]}}]


def test_the_first_of_several_micro_batches_is_named_alone(
    make_config: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is not finite, in one process: its own micro-batch is to blame."""
    from exvideo_train.cli import main
    from exvideo_train.step import Task

    real, calls = Task.loss, []

    def loss(*args: Any) -> Any:
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(Task, "loss", loss)
    assert main(["--config", str(make_config(**{"optimizer.batch_size": 4}))]) == 1
    report = json.loads((tmp_path / "run" / "diverged-step-1.json").read_text())
    (rank,) = report["ranks"]
    assert [sample["loss"] != sample["loss"] for sample in rank["samples"]] == [False, False, True, False]
    assert not rank["samples"][2]["gradient_is_finite"]
    assert rank["samples"][1]["gradient_is_finite"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_advice_fits_the_run(make_config: MakeConfig, capsys: pytest.CaptureFixture[str], precision: str) -> None:
    from exvideo_train.cli import main

    changes = {"optimizer.learning_rate": 1e30, "engine.precision": precision, "checkpoint.every": 100}
    assert main(["--config", str(make_config(**changes))]) == 1
    said = capsys.readouterr().err
    assert "To go on from the start, with one or more of:" in said  # there is no checkpoint
    assert "--change optimizer.learning_rate=5e+29" in said
    assert ("--change engine.precision=fp32" in said) == (precision == "bf16")
