"""Shared by the tests of all kernels: the bound on errors, tensors that begin as NaN, the interpreter."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor


@pytest.fixture
def assert_as_exact() -> Callable[..., None]:
    """Asserts that errors against float64 are at most twice PyTorch's in the same dtype, root mean square and largest.

    Its arguments are names, then as many tensors each: true ones, PyTorch's, ours.
    """

    def check(
        names: Iterable[str],
        true: Iterable[Tensor],
        theirs: Iterable[Tensor],
        ours: Iterable[Tensor],
        slack: float = 0.0,
    ) -> None:
        for name, exact, their, our in zip(names, true, theirs, ours, strict=True):
            for measure in (root_mean_square, largest):
                found, allowed = measure(our - exact), 2 * measure(their - exact) + slack
                assert found <= allowed, f"{name}: {measure.__name__} {found:.3g} > {allowed:.3g}"  # or one is NaN

    return check


def root_mean_square(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def largest(x: Tensor) -> float:
    return float(x.abs().max())


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Every new tensor starts as NaN, so that a number which no kernel writes is seen."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(8).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def run_interpreted() -> Callable[..., None]:
    """Runs a file of tests in a process in which Triton interprets its kernels, from before anything is imported.

    Of the file's path and further options of pytest's.
    """
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")

    def run(file: Path, *options: str) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), *options]
        environ = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "passed" in done.stdout
        assert "skipped" not in done.stdout

    return run
