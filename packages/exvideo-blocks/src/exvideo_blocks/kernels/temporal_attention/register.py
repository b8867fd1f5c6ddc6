"""The operators that PyTorch knows: forward and backward, with fakes, autograd and a CPU implementation.

`exvideo_blocks::temporal_attention` runs the Triton kernels on a GPU, and on a CPU where Triton interprets them
(TRITON_INTERPRET=1). Elsewhere, and in float64, it runs the reference: the same mathematics, and the same gradients, on
any machine. `op.temporal_attention` is what callers use.
"""

from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.plan import statistics_shape
from exvideo_blocks.kernels.triton_support import has_warpgroups, runs_triton


@torch.library.custom_op("exvideo_blocks::temporal_attention", mutates_args=())
def temporal_attention_op(
    query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int
) -> tuple[Tensor, Tensor]:
    """Attention, and what its backward wants of it: statistics of each row (`triton.forward`), or no numbers."""
    if runs_triton(query):
        from exvideo_blocks.kernels.temporal_attention import triton

        return triton.forward(query, key, value, num_frames, num_heads)
    out = reference.attend(query, key, value, num_frames, num_heads)
    return out.contiguous(), query.new_empty(0, dtype=torch.float32)


@temporal_attention_op.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    shape: tuple[int, ...] = (0,)
    if runs_triton(query):
        shape = statistics_shape(query.shape, num_frames, num_heads, query.dtype, has_warpgroups(query.device))
    return query.new_empty(query.shape), query.new_empty(shape, dtype=torch.float32)


@torch.library.custom_op("exvideo_blocks::temporal_attention_backward", mutates_args=())
def temporal_attention_backward_op(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor | None,
    statistics: Tensor | None,
    num_frames: int,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by query, key and value; out and statistics where the forward gave them, else None."""
    if not runs_triton(query):
        return reference.attend_backward(gradient, query, key, value, num_frames, num_heads)
    from exvideo_blocks.kernels.temporal_attention import triton

    return triton.backward(gradient, query, key, value, out, statistics, num_frames, num_heads)


@temporal_attention_backward_op.register_fake
def _(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor | None,
    statistics: Tensor | None,
    num_frames: int,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), query.new_empty(query.shape), query.new_empty(query.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    """Keeps tensors and numbers for a backward: what was attended to, and out and statistics where there are any."""
    *tensors, ctx.num_frames, ctx.num_heads = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*tensors, *(output if output[1].numel() else ()))


def _differentiate(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    query, key, value, *rest = ctx.saved_tensors
    saved = rest or (None, None)
    by_inputs = temporal_attention_backward_op(gradient, query, key, value, *saved, ctx.num_frames, ctx.num_heads)
    return *by_inputs, None, None


temporal_attention_op.register_autograd(_differentiate, setup_context=_save)
