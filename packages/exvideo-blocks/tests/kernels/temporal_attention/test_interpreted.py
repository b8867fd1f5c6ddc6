"""The Triton kernels without a GPU: Triton interprets them, in a process that says so before anything is imported."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("file", ["exactness.py", pytest.param("contract.py", marks=pytest.mark.long)])
def test_under_the_interpreter(run_interpreted: Callable[[Path], None], file: str) -> None:
    run_interpreted(Path(__file__).parent / "interpreted" / file)
