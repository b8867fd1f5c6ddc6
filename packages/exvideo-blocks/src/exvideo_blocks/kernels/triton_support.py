"""Conditions under which Triton kernels run, and the needs of every launch. Does not import triton."""

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

TRITON_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
MAX_PROGRAMS = 2**31 - 1  # of the first axis of a grid


@cache
def triton_is_installed() -> bool:
    return find_spec("triton") is not None


def interpreting() -> bool:
    """Triton runs its kernels on the CPU: slowly, and bfloat16 products wrongly. For tests."""
    return triton_is_installed() and os.environ.get("TRITON_INTERPRET") == "1"


def runs_triton(tensor: Tensor) -> bool:
    """True if an operator starts its Triton kernels for such a tensor."""
    if tensor.dtype not in TRITON_DTYPES:
        return False
    return (tensor.is_cuda and triton_is_installed()) or (tensor.device.type == "cpu" and interpreting())


def obstacle_to_triton(device: torch.device, dtype: torch.dtype) -> str | None:
    """The reason why no Triton kernel can run there, as far as that is known without running one."""
    if not triton_is_installed():
        return "triton is not installed (pip install 'exvideo-blocks[triton]', on Linux)"
    if device.type != "cuda" and not (device.type == "cpu" and interpreting()):
        return "its kernels need a GPU, or TRITON_INTERPRET=1 in the environment to be interpreted on a CPU"
    if dtype not in TRITON_DTYPES:
        return "its kernels compute in float32, float16 and bfloat16"
    return None


def with_adjacent_channels(tensor: Tensor) -> Tensor:
    """The tensor itself if its channels are adjacent, else a copy: a gradient expanded from one number, say."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


@cache
def has_warpgroups(device: torch.device) -> bool:
    """True for GPUs that multiply by warpgroups or better (sm_90, sm_100), and where Triton interprets them."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return True
    return torch.cuda.get_device_capability(device)[0] in (9, 10)


@cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; three for an interpreter, which goes from unit to unit then as a GPU would."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 3


def on(device: torch.device) -> AbstractContextManager[Any]:
    """Makes a GPU the current one, on which Triton launches."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def power_of_two(number: int) -> int:
    """The smallest power of two that is not smaller."""
    return 1 << (number - 1).bit_length()
