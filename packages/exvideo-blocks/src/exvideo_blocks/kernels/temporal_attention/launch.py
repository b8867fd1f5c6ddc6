"""Starts the Triton kernels on tensors: strides, grid and tiles. Imports triton."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention import tiled, whole_row
from exvideo_blocks.kernels.temporal_attention.plan import Plan, Tiles, lse_shape, plan_for

MOST_PROGRAMS = 2**31 - 1  # of the first axis of a grid, and of 32-bit numbers of units
LOG2_E = math.log2(math.e)


def forward(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    """Output, and the base-2 log-sum-exp of each row where the backward will want it, else no numbers.

    Args:
        query, key, value: (batch * num_frames, positions, channels), of any strides; copied if the last is not 1.

    Returns:
        (batch * num_frames, positions, channels) contiguous, and (units, num_frames) or (0,) float32.
    """
    call = _Call(query, num_frames, num_heads)
    query, key, value = (_rows(tensor) for tensor in (query, key, value))
    out = query.new_empty(query.shape)
    lse = query.new_empty(lse_shape(query.shape, num_frames, num_heads, query.dtype), dtype=torch.float32)
    outputs = (out,) if call.plan.whole_row else (out, lse)
    kernel: Any = whole_row.whole_row_forward if call.plan.whole_row else tiled.tiled_forward
    tiles = call.plan.forward
    call.start(kernel, tiles, tiles.block_m, (query, key, value, *outputs), _strides(query, key, value), (call.log2,))
    return out, lse


def backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor | None,
    lse: Tensor | None,
    num_frames: int,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by query, key and value, contiguous; out and lse are those of `forward`, None where it gave no lse."""
    call = _Call(query, num_frames, num_heads)
    gradient, query, key, value = (_rows(tensor) for tensor in (gradient, query, key, value))
    by_query, by_key, by_value = (query.new_empty(query.shape) for _ in range(3))
    strides = _strides(query, key, value, gradient)
    inputs, scales, tiles = (query, key, value), (call.scale, call.log2), call.plan.backward
    if out is None or lse is None:
        tensors: tuple[Tensor, ...] = (*inputs, gradient, by_query, by_key, by_value)
        call.start(whole_row.whole_row_backward, tiles, tiles.block_m, tensors, strides, scales)
        return by_query, by_key, by_value
    delta = torch.empty_like(lse)
    tensors = (*inputs, out.contiguous(), lse, gradient, delta, by_query)
    call.start(tiled.tiled_backward_query, tiles, tiles.block_m, tensors, strides, scales)
    tensors = (*inputs, lse, gradient, delta, by_key, by_value)
    call.start(tiled.tiled_backward_key_value, tiles, tiles.block_n, tensors, strides, scales)
    return by_query, by_key, by_value


class _Call:
    """What all kernels of one call share."""

    def __init__(self, query: Tensor, num_frames: int, num_heads: int) -> None:
        self.batch_frames, self.positions, channels = query.shape
        self.num_frames, self.num_heads, self.head_dim = num_frames, num_heads, channels // num_heads
        self.units = self.batch_frames // num_frames * self.positions * num_heads
        self.plan: Plan = plan_for(num_frames, self.head_dim, query.dtype)
        self.scale = 1 / math.sqrt(self.head_dim)
        self.log2 = self.scale * LOG2_E
        self.device = query.device

    def start(
        self,
        kernel: Any,
        tiles: Tiles,
        block: int,
        tensors: tuple[Tensor, ...],
        strides: tuple[int, ...],
        scales: tuple[float, ...],
    ) -> None:
        """Starts one program a pack, or one for each `block` frames of a unit."""
        programs = -(-self.units // self.plan.pack)
        shape: dict[str, int] = {"pack": self.plan.pack}
        if not self.plan.whole_row:
            programs, shape = self.units * -(-self.num_frames // block), {}
        if max(programs, self.units) > MOST_PROGRAMS:
            raise ValueError(
                f"{self.units} heads and positions of {self.num_frames} frames are more than the {MOST_PROGRAMS} "
                "programs that a launch can have; split the batch."
            )
        if programs == 0:
            return
        channels = self.num_heads * self.head_dim
        with _on(self.device):
            kernel[(programs,)](
                *tensors,
                *strides,
                self.positions * channels,
                self.units,
                self.positions,
                self.num_heads,
                *scales,
                num_frames=self.num_frames,
                head_dim=self.head_dim,
                block_m=tiles.block_m,
                block_n=tiles.block_n,
                block_d=self.plan.block_d,
                num_warps=tiles.num_warps,
                num_stages=tiles.num_stages,
                **shape,
            )


def _rows(tensor: Tensor) -> Tensor:
    """The tensor itself if its channels are adjacent, else a copy: a gradient expanded from one number, say."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _strides(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(stride for tensor in tensors for stride in tensor.stride()[:2])


def _on(device: torch.device) -> AbstractContextManager[Any]:
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
