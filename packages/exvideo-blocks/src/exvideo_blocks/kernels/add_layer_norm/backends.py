"""Backends of a sum and its layer norm, chosen by running them on the device, dtype and width in use.

| backend | what it is |
| --- | --- |
| triton | our kernels: each number read once and written once |
| torch | an addition, then PyTorch's layer norm |
| auto | on a GPU triton where it runs, else torch; on a CPU always torch, whose bits are the base's |
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

from exvideo_blocks.kernels.add_layer_norm import reference
from exvideo_blocks.kernels.add_layer_norm.library import add_layer_norm_op
from exvideo_blocks.kernels.add_layer_norm.plan import MAX_CHANNELS
from exvideo_blocks.kernels.probing import BackendError, apart_from_the_caller, failure, refuse_difference
from exvideo_blocks.kernels.triton_support import obstacle_to_triton

Backend = Literal["auto", "triton", "torch"]
AddNorm = Callable[[Tensor, Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]

COMPUTE: dict[str, AddNorm] = {"triton": add_layer_norm_op, "torch": reference.add_layer_norm}

logger = logging.getLogger(__name__)


@cache
def choose(backend: Backend, device: torch.device, dtype: torch.dtype, width: int) -> str:
    """The backend that runs such rows, as it was asked for or as `auto` chooses; each choice of `auto` is logged once.

    Raises:
        ValueError: there is no such backend.
        BackendError: it was asked for and cannot run.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend={backend!r} is not known: give one of {', '.join(get_args(Backend))}.")
    if backend == "torch":
        return backend
    obstacle = _obstacle(device, dtype, width)
    case = f"{device}, {str(dtype).removeprefix('torch.')}, up to {width} channels"
    if backend == "triton":
        if obstacle:
            raise BackendError(f"The backend triton cannot run add_layer_norm on {case}: {obstacle}: give auto.")
        return backend
    why = f", as triton cannot run: {obstacle}" if obstacle else ""
    chosen = "torch" if obstacle else "triton"
    logger.info("add_layer_norm: %s for %s%s", chosen, case, why)
    return chosen


def _obstacle(device: torch.device, dtype: torch.dtype, channels: int) -> str | None:
    """The reason why the kernels cannot run, or None: known of them, or found by running them on a few rows."""
    known = obstacle_to_triton(device, dtype)
    if known:
        return known
    if not 1 <= channels <= MAX_CHANNELS:
        return f"its kernels take 1 to {MAX_CHANNELS} channels"
    return failure(lambda: _try(device, dtype, channels))


def _try(device: torch.device, dtype: torch.dtype, channels: int) -> None:
    """Runs the kernels forward and backward, and compares them with PyTorch's.

    Raises:
        RuntimeError: they differ by more than rounding.
    """
    shapes = ((2, 2, channels), (2, channels), (channels,), (channels,), (2, 2, channels))
    with apart_from_the_caller(device):
        generator = torch.Generator().manual_seed(0)
        *inputs, gradient = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
        results: list[list[Tensor]] = []
        for run in (COMPUTE["torch"], COMPUTE["triton"]):
            tokens, added, weight, bias = (tensor.clone().requires_grad_() for tensor in inputs)
            outputs = run(tokens, added, weight, bias, 1e-5)
            gradients = torch.autograd.grad(outputs, (tokens, added, weight, bias), (gradient, gradient.flip(0)))
            results.append([*outputs, *gradients])
    refuse_difference(found=results[1], expected=results[0])
