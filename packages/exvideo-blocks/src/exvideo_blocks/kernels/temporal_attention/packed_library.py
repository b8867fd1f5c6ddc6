"""Attention of packed projections (..., q | k | v): `library`'s operators, on one tensor in place of three.

Forward reads the slices where they lie. Backward writes its three gradients into slices of one tensor, which the
projection's own backward takes as it is: slices that autograd had cut would come back one by one, to be put together.
"""

from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.library import fake_outputs, save, temporal_attention_op
from exvideo_blocks.kernels.triton_support import runs_triton, with_adjacent_channels


def unpack(packed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(..., 3 * channels) -> three views (..., channels)."""
    query, key, value = packed.chunk(3, dim=-1)
    return query, key, value


@torch.library.custom_op("exvideo_blocks::temporal_attention_packed", mutates_args=())
def temporal_attention_packed_op(qkv: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    """As `temporal_attention_op`, on slices."""
    return temporal_attention_op(*unpack(qkv), num_frames, num_heads)


@temporal_attention_packed_op.register_fake
def _(qkv: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    return fake_outputs(*unpack(qkv), num_frames, num_heads)


@torch.library.custom_op("exvideo_blocks::temporal_attention_packed_backward", mutates_args=())
def temporal_attention_packed_backward_op(
    gradient: Tensor, qkv: Tensor, out: Tensor | None, statistics: Tensor | None, num_frames: int, num_heads: int
) -> Tensor:
    """Gradient by qkv, in one piece; out and statistics where the forward gave them, else None."""
    if not runs_triton(qkv):
        return torch.cat(reference.attend_backward(gradient, *unpack(qkv), num_frames, num_heads), dim=-1)
    from exvideo_blocks.kernels.temporal_attention import launch

    by_qkv = qkv.new_empty(qkv.shape)
    slices = unpack(with_adjacent_channels(qkv))
    launch.backward(gradient, *slices, out, statistics, num_frames, num_heads, unpack(by_qkv))
    return by_qkv


@temporal_attention_packed_backward_op.register_fake
def _(
    gradient: Tensor, qkv: Tensor, out: Tensor | None, statistics: Tensor | None, num_frames: int, num_heads: int
) -> Tensor:
    return qkv.new_empty(qkv.shape)


def _differentiate(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    qkv, *rest = ctx.saved_tensors
    saved = rest or (None, None)
    return temporal_attention_packed_backward_op(gradient, qkv, *saved, ctx.num_frames, ctx.num_heads), None, None


temporal_attention_packed_op.register_autograd(_differentiate, setup_context=save)
