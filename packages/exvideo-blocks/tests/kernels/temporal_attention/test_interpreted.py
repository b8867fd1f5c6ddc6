"""The Triton kernels without a GPU: Triton interprets them, in a process that says so before anything is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", ["exactness.py", "contract.py"])
def test_under_the_interpreter(file: str) -> None:
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "interpreted" / file)]
    environ = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
