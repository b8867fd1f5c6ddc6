"""The operators that PyTorch knows: forward and backward, with fakes, autograd and a CPU implementation.

`exvideo_blocks::add_layer_norm` runs the Triton kernels on a GPU, and on a CPU where Triton interprets them; elsewhere,
in float64, and beyond the kernels' channels, the reference. `op.add_layer_norm` is what callers use.
"""

from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.add_layer_norm import reference
from exvideo_blocks.kernels.add_layer_norm.plan import MAX_CHANNELS
from exvideo_blocks.kernels.triton_support import runs_triton


def runs_kernels(tokens: Tensor) -> bool:
    """True if the operators start Triton kernels for such tokens."""
    return runs_triton(tokens) and 1 <= tokens.shape[-1] <= MAX_CHANNELS


@torch.library.custom_op("exvideo_blocks::add_layer_norm", mutates_args=())
def add_layer_norm_op(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum and its norm, contiguous and in the dtype of tokens."""
    if runs_kernels(tokens):
        from exvideo_blocks.kernels.add_layer_norm import launch

        return launch.forward(tokens, added, weight, bias, eps)
    total, normed = reference.add_layer_norm(tokens, added, weight, bias, eps)
    return total.contiguous(), normed.contiguous()


@add_layer_norm_op.register_fake
def _(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return tokens.new_empty(tokens.shape), tokens.new_empty(tokens.shape)


@torch.library.custom_op("exvideo_blocks::add_layer_norm_backward", mutates_args=())
def add_layer_norm_backward_op(
    by_total: Tensor, by_normed: Tensor, total: Tensor, weight: Tensor, eps: float, added_frames: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients by tokens, by the rows added (no numbers where added_frames is 0), by weight and by bias."""
    if runs_kernels(total):
        from exvideo_blocks.kernels.add_layer_norm import launch

        return launch.backward(by_total, by_normed, total, weight, eps, added_frames)
    return reference.add_layer_norm_backward(by_total, by_normed, total, weight, eps, added_frames)


@add_layer_norm_backward_op.register_fake
def _(
    by_total: Tensor, by_normed: Tensor, total: Tensor, weight: Tensor, eps: float, added_frames: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    by_rows = total.new_empty(added_frames, total.shape[2])
    return total.new_empty(total.shape), by_rows, weight.new_empty(weight.shape), weight.new_empty(weight.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    _, added, weight, _, ctx.eps = inputs
    ctx.added_frames = added.shape[0] if added.dim() == 2 else 0
    ctx.save_for_backward(output[0], weight)


def _differentiate(ctx: Any, by_total: Tensor, by_normed: Tensor) -> tuple[Tensor | None, ...]:
    by_tokens, by_rows, by_weight, by_bias = add_layer_norm_backward_op(
        by_total, by_normed, *ctx.saved_tensors, ctx.eps, ctx.added_frames
    )
    return by_tokens, by_rows if ctx.added_frames else by_tokens, by_weight, by_bias, None


add_layer_norm_op.register_autograd(_differentiate, setup_context=_save)
