"""Backends of temporal attention, chosen by running them on the device, dtype and shape in use.

| backend | what it is |
| --- | --- |
| triton | our kernels: forward and backward on token-major memory |
| sdpa | PyTorch's scaled_dot_product_attention |
| xformers | xformers' memory_efficient_attention |
| auto | on a GPU triton where it runs, else sdpa; sdpa on everything else, so that a CPU's bits are those of the base |
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

from exvideo_blocks.kernels.probing import BackendError, apart_from_the_caller, failure, refuse_difference
from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.library import temporal_attention_op
from exvideo_blocks.kernels.triton_support import obstacle_to_triton

Backend = Literal["auto", "triton", "sdpa", "xformers"]
Attend = Callable[[Tensor, Tensor, Tensor, int, int], Tensor]

MAX_XFORMERS_HEADS = 65_535  # its kernels, too, put heads on a grid axis that ends there
HEAD_DIMS = (16, 128)

logger = logging.getLogger(__name__)


def attend_by_triton(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    return temporal_attention_op(query, key, value, num_frames, num_heads)[0]


def attend_by_xformers(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    from xformers.ops import memory_efficient_attention

    heads = query.shape[1] * num_heads
    if heads > MAX_XFORMERS_HEADS:
        raise BackendError(
            f"{heads} heads and positions a clip are more than the {MAX_XFORMERS_HEADS} that xformers can do: "
            "choose the backend triton or sdpa."
        )
    shape = (-1, num_frames, heads, query.shape[2] // num_heads)
    return memory_efficient_attention(query.reshape(shape), key.reshape(shape), value.reshape(shape)).view(query.shape)


ATTEND: dict[str, Attend] = {
    "triton": attend_by_triton,
    "sdpa": reference.attend,
    "xformers": attend_by_xformers,
}


@cache
def choose(backend: Backend, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> str:
    """The backend that runs such clips, as it was asked for or as `auto` chooses; each choice of `auto` is logged once.

    Raises:
        ValueError: there is no such backend.
        BackendError: it was asked for and cannot run.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend={backend!r} is not known: give one of {', '.join(get_args(Backend))}.")
    case = f"{device}, {str(dtype).removeprefix('torch.')}, up to {num_frames} frames, head_dim {head_dim}"
    if backend == "auto":
        chosen, why = _best(device, dtype, num_frames, head_dim)
        logger.info("temporal attention: %s for %s%s", chosen, case, why)
        return chosen
    obstacle = _obstacle(backend, device, dtype, num_frames, head_dim)
    if obstacle:
        raise BackendError(f"The backend {backend} cannot run temporal attention on {case}: {obstacle}: give auto.")
    return backend


def _best(device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> tuple[str, str]:
    if device.type != "cuda":
        return "sdpa", ""
    obstacle = _obstacle("triton", device, dtype, num_frames, head_dim)
    return ("sdpa", f", as triton cannot run: {obstacle}") if obstacle else ("triton", "")


def _obstacle(backend: str, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> str | None:
    """The reason why a backend cannot run, or None: known of it, or found by running it on two heads."""
    if backend == "triton":
        known = obstacle_to_triton(device, dtype)
        if known:
            return known
        if not HEAD_DIMS[0] <= head_dim <= HEAD_DIMS[1]:
            return f"its kernels take a head_dim from {HEAD_DIMS[0]} to {HEAD_DIMS[1]}"
    return failure(lambda: _try(ATTEND[backend], device, dtype, num_frames, head_dim))


def _try(attend: Attend, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> None:
    """Runs a backend forward and backward, and compares it with PyTorch's.

    Raises:
        RuntimeError: they differ by more than rounding.
    """
    with apart_from_the_caller(device):
        generator = torch.Generator().manual_seed(0)
        q, k, v = (torch.randn(num_frames, 1, 2 * head_dim, generator=generator).to(device, dtype) for _ in range(3))
        results: list[list[Tensor]] = []
        for run in (reference.attend, attend):
            query, key, value = (tensor.clone().requires_grad_() for tensor in (q, k, v))
            out = run(query, key, value, num_frames, 2)
            results.append([out, *torch.autograd.grad(out, (query, key, value), q)])
    refuse_difference(found=results[1], expected=results[0])
