"""Shared by the tests of all kernels: the bound on errors, tensors that begin as NaN, the interpreter, the compiler."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
def run_interpreted() -> Callable[[Path], None]:
    """Runs a file of tests in a process in which Triton interprets its kernels, from before anything is imported."""
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")

    def run(file: Path) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
        environ = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "passed" in done.stdout
        assert "skipped" not in done.stdout

    return run


@pytest.fixture
def compile_for_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Compiles a kernel for a GPU that need not be there, as a launch on tensors of usual alignment would.

    Its arguments are the kernel, the compute capability, constants, types of the other arguments (pointers are taken to
    be aligned to 16 bytes, and strides, which end in _row or _position, to be multiples of 16), and options.
    """
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("kernels are being interpreted")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))

    def compile_kernel(
        kernel: Any, capability: int, constants: Mapping[str, int], types: Mapping[str, str], **options: int
    ) -> Any:
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
        signature = {}
        for name in kernel.arg_names:
            stride = name.endswith(("_row", "_position"))
            signature[name] = "constexpr" if name in constants else "i32" if stride else types[name]
        aligned = [n for n, kind in signature.items() if kind.startswith("*") or n.endswith(("_row", "_position"))]
        source = ASTSource(
            fn=kernel,
            signature=signature,
            constexprs=constants,
            attrs={(kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in aligned},
        )
        return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)

    return compile_kernel
