"""Errors that say there was not enough memory, and the peak of this process."""

import subprocess
import sys

import pytest
import torch
from exvideo_infer.memory import is_out_of_memory


def caused(error: BaseException, cause: BaseException) -> BaseException:
    try:
        raise error from cause
    except type(error) as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        caused(ValueError("a clip could not be made"), MemoryError()),
    ],
)
def test_memory_that_ran_out_is_known_by_its_error(error: BaseException) -> None:
    assert is_out_of_memory(error)


def test_real_allocations_that_fail_are_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize("error", [RuntimeError("sizes differ"), ValueError("memory"), OSError(12, "no")])
def test_other_errors_are_none(error: BaseException) -> None:
    assert not is_out_of_memory(error)


RISING = """
import torch
from exvideo_infer import peak_memory

cpu = torch.device("cpu")
before = peak_memory(cpu)
assert before < 2**30, before  # it is not what the process that started this one has held
held = torch.ones(before + 64 * 2**20, dtype=torch.uint8)  # more than it has ever held
risen = peak_memory(cpu)
assert risen - before >= 32 * 2**20, (before, risen)
assert held[-1] == 1
del held
assert peak_memory(cpu) >= risen
"""


def test_the_peak_is_of_this_program_and_rises_with_what_it_holds() -> None:
    large = torch.ones(2**30, dtype=torch.uint8)
    done = subprocess.run([sys.executable, "-c", RISING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert large[-1] == 1
