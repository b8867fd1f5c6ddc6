"""The recipe is fitted to the machine by what is timed, and by nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from demo import speed
from demo.film import WEIGHTS

RECIPE = Path(speed.__file__).with_name("post_tune.yaml")


def recipe() -> dict[str, Any]:
    return yaml.safe_load(RECIPE.read_text())


def test_the_steps_are_those_that_there_is_time_for() -> None:
    assert speed.affordable_steps(500, 0.2, 1700) == 1700
    slow = speed.affordable_steps(300, 0.5, 1700)
    assert 300 - 0.5 * speed.STEP_CLIPS < slow * 0.5 * speed.STEP_CLIPS <= 300
    assert speed.affordable_steps(300, 100.0, 1700) == speed.affordable_steps(-5, 0.2, 1700) == 212


def test_what_comes_beside_the_steps_is_left_out_of_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "faster_dtype", lambda: torch.bfloat16)
    monkeypatch.setattr(speed, "clip_seconds", lambda recipe, dtype: 0.5)
    fast = speed.fit(recipe(), lambda clip: 200 * clip)["optimizer"]["steps"]
    slow = speed.fit(recipe(), lambda clip: 600 * clip)["optimizer"]["steps"]
    assert fast - slow == pytest.approx(400 * 0.5 / (0.5 * speed.STEP_CLIPS), abs=1)


@pytest.mark.parametrize(("dtype", "precision"), [(torch.bfloat16, "bf16"), (torch.float32, "fp32")])
def test_a_fast_machine_runs_the_recipe_as_it_is(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, precision: str
) -> None:
    monkeypatch.setattr(speed, "faster_dtype", lambda: dtype)
    monkeypatch.setattr(speed, "clip_seconds", lambda recipe, dtype: 0.1)
    assert speed.fit(recipe(), lambda clip: 230) == recipe() | {"engine": recipe()["engine"] | {"precision": precision}}


def test_a_slow_machine_makes_fewer_steps_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed, "faster_dtype", lambda: torch.float32)
    monkeypatch.setattr(speed, "clip_seconds", lambda recipe, dtype: 0.5)
    steps = speed.fit(recipe(), lambda clip: 230)["optimizer"]["steps"]
    assert 212 < steps < 1700
    assert capsys.readouterr().out == f"  a slow machine, 0.50 s a clip: {steps} of 1700 steps\n"


def test_steps_that_are_asked_for_are_made_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "faster_dtype", lambda: torch.float32)
    monkeypatch.setattr(speed, "clip_seconds", lambda recipe, dtype: pytest.fail("nothing is timed"))
    fitted = speed.fit(recipe(), lambda clip: 230, 1500)
    assert (fitted["optimizer"]["steps"], fitted["engine"]["precision"]) == (1500, "fp32")


@pytest.mark.parametrize("base", ["embedded", str(WEIGHTS)])
def test_a_clip_of_either_base_is_timed(base: str) -> None:
    assert speed.faster_dtype() in (torch.bfloat16, torch.float32)
    short = recipe() | {"base": base, "extension": {"num_frames": 9}}
    assert 0 < speed.clip_seconds(short, torch.float32) < 60
