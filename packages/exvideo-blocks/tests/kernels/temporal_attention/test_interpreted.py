"""The Triton kernels without a GPU: Triton interprets them, in a process that says so before anything is imported."""

from collections.abc import Callable
from pathlib import Path

import pytest

INTERPRETED = Path(__file__).parent / "interpreted"


def test_under_the_interpreter(run_interpreted: Callable[..., None]) -> None:
    run_interpreted(INTERPRETED / "exactness.py", "-m", "not long")


@pytest.mark.long
@pytest.mark.parametrize("file", ["exactness.py", "contract.py"])
def test_all_of_it_under_the_interpreter(run_interpreted: Callable[..., None], file: str) -> None:
    run_interpreted(INTERPRETED / file)
