"""The matrix product in front of attention: one for query, key and value."""

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
