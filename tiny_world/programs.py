"""The project's own commands, run as a person would."""

import os
import subprocess
import sys
from pathlib import Path

import torch
import yaml

CORES = min(2, os.cpu_count() or 1)  # that are used, where there is no GPU


class ProgramError(RuntimeError):
    """A program failed; the message says which and where to look."""


def run_program(module: str, *arguments: str | int | Path, processes: int = 1) -> None:
    """Runs `python -m module arguments` in a process of its own, or in several that know of each other.

    Raises:
        ProgramError: if it fails.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = dict(os.environ)
    if processes > 1:
        command[2:2] = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
        environment["OMP_NUM_THREADS"] = "1"
    sys.stdout.flush()
    status = subprocess.run(command, check=False, env=environment).returncode
    if status:
        raise ProgramError(f"`{' '.join(command)}` ended with exit code {status}: read its own message above.")


def post_tune(recipe: Path) -> None:
    """Runs exvideo-train: on a CPU a process a core, as networks this small gain little from threads.

    Raises:
        ProgramError: if it fails.
    """
    batch_size: int = yaml.safe_load(recipe.read_text(encoding="utf-8"))["optimizer"]["batch_size"]
    processes = 1 if torch.cuda.is_available() else min(CORES, batch_size)
    run_program("exvideo_train", "--config", recipe, processes=processes)
