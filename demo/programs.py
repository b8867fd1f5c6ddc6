"""The project's own commands, run as a person would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class DemoError(RuntimeError):
    """A stage could not be run; the message says which and where to look."""


def run_program(module: str, *arguments: str | int | Path) -> None:
    """Runs `python -m module arguments` in a process of its own.

    Raises:
        DemoError: if it fails.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    sys.stdout.flush()
    status = subprocess.run(command, check=False).returncode
    if status:
        raise DemoError(f"`{' '.join(command)}` ended with exit code {status}; its own message is above.")
