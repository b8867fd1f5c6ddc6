"""Thirty runs, killed or stopped at random moments, end in the bits of one that nobody touched."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeConfig = Callable[..., Path]
STEPS = 8
PHASES = ("encoding", "training", "validation", "writing")
# 20 kills and 10 stops; every phase, and one and two processes, come up in both.
CASES = [
    ("SIGKILL" if number < 20 else "SIGTERM", PHASES[number % 4], 1 + (number // 4) % 2, number) for number in range(30)
]


@pytest.fixture
def config_of(make_config: MakeConfig, footage: Path) -> Callable[[str], Path]:
    changes = {
        "optimizer.steps": STEPS,
        "optimizer.batch_size": 2,
        "checkpoint.every": 2,
        "validation.videos": str(footage / "held_out"),
        "validation.every": 3,
        "validation.sigmas": [1.0, 2.0, 4.0, 8.0],
    }
    return lambda name: make_config(name, **changes)


def has_begun(runs: Any, output: str, phase: str, after: int) -> bool:
    folder = runs.folder / output
    records = runs.records(output)
    if phase == "encoding":
        return bool(list((folder / "latents").rglob("*.safetensors")))
    if phase == "writing":
        return bool(list((folder / "checkpoints").glob(".step-*.tmp")))
    last = max((record["step"] for record in records if "loss" in record), default=-1)
    if phase == "validation":  # the steps are quick: the moment after one of them is in the evaluation
        return last >= 0 and last % 3 == 0
    return last >= after


@pytest.fixture(scope="module")
def unbroken() -> dict[int, str]:
    """The outputs of runs that nobody touched, by their number of processes: made once."""
    return {}


@pytest.mark.long
@pytest.mark.parametrize(("how", "phase", "processes", "number"), CASES)
def test_a_run_that_is_broken_off_ends_in_the_same_bits(
    config_of: Callable[[str], Path],
    runs: Any,
    unbroken: dict[int, str],
    how: str,
    phase: str,
    processes: int,
    number: int,
) -> None:
    luck = random.Random(number)
    broken = config_of("broken")
    if processes not in unbroken:
        status, said = runs.finish(config_of("whole"), processes=processes)
        assert status == 0, said
        unbroken[processes] = str(runs.folder / "whole")
    whole = unbroken[processes]
    run = runs.start(broken, processes=processes, start_new_session=True)
    after = luck.randrange(1, STEPS)
    deadline = time.monotonic() + 300
    while not has_begun(runs, "broken", phase, after) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(luck.uniform(0, 0.3))
    if run.poll() is None:
        stop(run, how)
    said = run.communicate()[1]
    if processes == 1:
        assert run.returncode in (0, 75 if how == "SIGTERM" else -signal.SIGKILL), said
    status, said = runs.finish(broken, processes=processes)
    assert status == 0, said
    runs.assert_same_end(whole, "broken", STEPS)
    by_level = {key for record in runs.records(whole) for key in record if key.startswith("loss_by_level/")}
    assert by_level
    for key in ("validation/loss", "validation_base/loss", "validation/mse_last_third", *sorted(by_level)):
        assert runs.figures(whole, key) == runs.figures("broken", key)
    assert not list((runs.folder / "broken").rglob(".*.tmp"))


def stop(run: "subprocess.Popen[str]", how: str) -> None:
    if how == "SIGKILL":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        os.kill(run.pid, signal.SIGTERM)
