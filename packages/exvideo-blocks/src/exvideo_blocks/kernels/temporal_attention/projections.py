"""The matrix products around attention: one for query, key and value; one whose sum starts from the residual."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def project_packed(tokens: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor] | None = None) -> Tensor:
    """Several projections of the same tokens as one matrix product.

    The weights stay parameters of their own, and get gradients of their own: what is joined here is three matrices,
    which next to the tokens is nothing.

    Args:
        tokens: (..., channels).
        weights: each (its outputs, channels), such as those of to_q, to_k and to_v.
        biases: each (its outputs,); none if None.

    Returns:
        (..., sum of outputs), in the order of the weights: what `temporal_attention_packed` takes.
    """
    return F.linear(tokens, torch.cat(tuple(weights)), None if biases is None else torch.cat(tuple(biases)))


def project_onto(residual: Tensor, attended: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """residual + attended weight^T + bias, added up inside the matrix product; nothing is changed in place.

    Without a bias the product reads the residual itself where PyTorch lets it; some versions copy the residual into
    the result first. With a bias, it starts from residual + bias (docs/decisions/0006).

    Args:
        residual: (..., outputs). Its dtype is that of the product and of the result, under autocast too.
        attended: (..., channels).
        weight: (outputs, channels), bias: (outputs,).

    Returns:
        (..., outputs).
    """
    dtype = residual.dtype
    rows, matrix = attended.to(dtype).flatten(0, -2), weight.to(dtype).t()
    with torch.autocast(residual.device.type, enabled=False):
        if bias is None:
            return torch.addmm(residual.flatten(0, -2), rows, matrix).view(residual.shape)
        start = residual + bias.to(dtype)
        return start.flatten(0, -2).addmm_(rows, matrix).view(residual.shape)
