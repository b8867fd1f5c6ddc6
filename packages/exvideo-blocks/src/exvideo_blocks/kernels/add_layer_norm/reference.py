"""A sum and its layer norm by PyTorch's own operators: what a CPU runs, and what the kernels are judged against."""

import torch
from torch import Tensor
from torch.nn import functional as F


def add_layer_norm(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """tokens + added, and layer_norm of that; shapes as in `op.add_layer_norm`."""
    total = tokens + (added if added.dim() == 3 else repeat_rows(added, tokens.shape[0]))
    exact = torch.promote_types(total.dtype, weight.dtype)  # under autocast, weights are often wider than tokens
    normed = F.layer_norm(total.to(exact), total.shape[-1:], weight.to(exact), bias.to(exact), eps)
    return total, normed.to(total.dtype)


def repeat_rows(rows: Tensor, batch_frames: int) -> Tensor:
    """(frames, channels) -> (batch * frames, 1, channels): the rows of one clip for each."""
    return rows.repeat(batch_frames // rows.shape[0], 1)[:, None]


def add_layer_norm_backward(
    by_total: Tensor, by_normed: Tensor, total: Tensor, weight: Tensor, eps: float, added_frames: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients by tokens, by the rows added (no numbers where added_frames is 0), by weight and by bias.

        x_hat = (x - mean(x)) / sqrt(var(x) + eps)        dw = sum(dy * x_hat)        db = sum(dy)
        g     = w * dy
        dx    = ds + (g - mean(g) - x_hat * mean(g * x_hat)) / sqrt(var(x) + eps)

    with x the sum, ds and dy the gradients by it and by its norm; means are over channels. Half precision is computed
    in float32 and rounded once.
    """
    exact = torch.promote_types(total.dtype, torch.float32)
    x, by_y, factor = total.to(exact), by_normed.to(exact), weight.to(exact)
    centred = x - x.mean(-1, keepdim=True)
    inverse = (centred.square().mean(-1, keepdim=True) + eps).rsqrt()
    x_hat, g = centred * inverse, factor * by_y
    by_x = by_total + (g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True)) * inverse
    by_weight, by_bias = (by_y * x_hat).sum((0, 1)), by_y.sum((0, 1))
    return (
        by_x.to(total.dtype).contiguous(),
        sum_of_rows(by_x.sum(1), added_frames).to(total.dtype),
        by_weight.to(weight.dtype),
        by_bias.to(weight.dtype),
    )


def sum_of_rows(rows: Tensor, added_frames: int) -> Tensor:
    """(batch * frames, channels) -> (frames, channels), summed over clips; no rows where added_frames is 0."""
    if added_frames == 0:
        return rows.new_empty(0, rows.shape[1])
    return rows.unflatten(0, (-1, added_frames)).sum(0)
