"""Starts the Triton kernels on tensors: strides, grid and tiles. Imports triton."""

import math
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention import tiled, whole_row
from exvideo_blocks.kernels.temporal_attention.plan import Plan, Tiles, plan_for, statistics_shape
from exvideo_blocks.kernels.triton_support import MAX_PROGRAMS, on, row_strides, with_adjacent_channels

LOG2_E = math.log2(math.e)


def forward(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    """Output, and the largest score and sum of each row where the backward will want them, else no numbers.

    Args:
        query, key, value: (batch * num_frames, positions, channels), of any strides; copied if the last is not 1.

    Returns:
        (batch * num_frames, positions, channels) contiguous, and (units, num_frames, 2) or (0,) float32.
    """
    call = _Call(query, num_frames, num_heads)
    query, key, value = (with_adjacent_channels(tensor) for tensor in (query, key, value))
    out = query.new_empty(query.shape)
    statistics = query.new_empty(statistics_shape(query.shape, num_frames, num_heads, query.dtype), dtype=torch.float32)
    outputs = (out,) if call.plan.whole_row else (out, statistics)
    kernel: Any = whole_row.whole_row_forward if call.plan.whole_row else tiled.tiled_forward
    tiles, strides = call.plan.forward, row_strides(query, key, value, out)
    call.start(kernel, tiles, tiles.block_m, (query, key, value, *outputs), strides, (call.log2,))
    return out, statistics


def backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor | None,
    statistics: Tensor | None,
    num_frames: int,
    num_heads: int,
    written: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Gradients by query, key and value.

    Args:
        out, statistics: those of `forward`, None where it gave no statistics.
        written: where the gradients go, three tensors of the same strides whose channels are adjacent: slices of a
            packed gradient, say.
    """
    call = _Call(query, num_frames, num_heads)
    gradient, query, key, value = (with_adjacent_channels(tensor) for tensor in (gradient, query, key, value))
    strides, written_strides = row_strides(query, key, value, gradient), row_strides(written[0])
    inputs, scales, tiles = (query, key, value), (call.scale, call.log2), call.plan.backward
    if out is None or statistics is None:
        tensors: tuple[Tensor, ...] = (*inputs, gradient, *written)
        call.start(whole_row.whole_row_backward, tiles, tiles.block_m, tensors, strides + written_strides, scales)
        return
    out, delta = with_adjacent_channels(out), statistics.new_empty(statistics.shape[:2])
    tensors = (*inputs, out, statistics, gradient, delta, written[0])
    out_strides = row_strides(out)
    call.start(
        tiled.tiled_backward_query, tiles, tiles.block_m, tensors, strides + out_strides + written_strides, scales
    )
    tensors = (*inputs, statistics, gradient, delta, *written[1:])
    call.start(tiled.tiled_backward_key_value, tiles, tiles.block_n, tensors, strides + written_strides, scales)


class _Call:
    """The shape and the arguments that all kernels of one call share."""

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
        if max(programs, self.units) > MAX_PROGRAMS:  # units are counted in 32 bits, too
            raise ValueError(
                f"{self.units} heads and positions of {self.num_frames} frames are more than the {MAX_PROGRAMS} "
                "programs that a launch can have: split the batch."
            )
        if programs == 0:
            return
        with on(self.device):
            kernel[(programs,)](
                *tensors,
                *strides,
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
