"""Programs are run as asked: in how many processes, and with their failure passed on."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from tiny_world import programs
from tiny_world.programs import ProgramError, post_tune, run_program


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Commands and environments of what would have been run."""
    seen = []

    def record(command: list[str], env: dict[str, str], **options: Any) -> Any:
        seen.append((command, env))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", record)
    return seen


@pytest.mark.parametrize(
    ("cores", "batch_size", "has_gpu", "processes"),
    [(2, 2, False, 2), (2, 1, False, 1), (1, 2, False, 1), (2, 4, True, 1)],
)
def test_post_tuning_takes_a_process_a_core_where_there_is_no_gpu(
    run: list[tuple[list[str], dict[str, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    batch_size: int,
    has_gpu: bool,
    processes: int,
) -> None:
    monkeypatch.setattr(programs, "CORES", cores)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"optimizer": {"batch_size": batch_size}}))
    post_tune(recipe)
    ((command, environment),) = run
    assert command[-4:] == ["-m", "exvideo_train", "--config", str(recipe)]
    assert ("torch.distributed.run" in command) == (processes > 1)
    if processes > 1:
        assert command[command.index("--nproc-per-node") + 1] == str(processes)
        assert environment["OMP_NUM_THREADS"] == "1"


def test_a_program_that_fails_is_not_passed_over() -> None:
    with pytest.raises(ProgramError, match="exit code"):
        run_program("exvideo_without_such_a_module")
