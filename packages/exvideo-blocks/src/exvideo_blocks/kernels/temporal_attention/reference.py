"""Attention along frames by PyTorch's own operators: what a CPU runs, and what every kernel is judged against."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_HEADS_ON_CUDA = 65_535  # PyTorch's kernels put heads on a grid axis that ends there


def attend(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    """softmax(Q K^T / sqrt(head_dim)) V by scaled_dot_product_attention; shapes as in `temporal_attention`."""
    # A position is attended to by itself, as a head is: with positions among the heads, nothing has to be copied.
    q, k, v = (positions_as_heads(tensor, num_frames, num_heads) for tensor in (query, key, value))
    if query.is_cuda and q.shape[1] > MAX_HEADS_ON_CUDA:
        parts = zip(*(heads.split(MAX_HEADS_ON_CUDA, dim=1) for heads in (q, k, v)), strict=True)
        attended = torch.cat([F.scaled_dot_product_attention(q, k, v) for q, k, v in parts], dim=1)
    else:
        attended = F.scaled_dot_product_attention(q, k, v)
    return attended.transpose(1, 2).reshape(query.shape)


def attend_backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by query, key and value, each (batch * num_frames, positions, channels) and contiguous.

        P  = softmax(Q K^T / sqrt(d))        dV = P^T dO        dP = dO V^T
        dS = P * (dP - rowsum(P * dP))       dQ = dS K / sqrt(d)        dK = dS^T Q / sqrt(d)

    rowsum(P * dP) equals rowsum(O * dO), which FlashAttention (arXiv 2205.14135, section B.4) reads O for; here O is
    not needed. Half precision is computed in float32 and rounded once.
    """
    exact = torch.promote_types(query.dtype, torch.float32)
    q, k, v, grad = (positions_as_heads(x.to(exact), num_frames, num_heads) for x in (query, key, value, gradient))
    scale = 1 / math.sqrt(q.shape[-1])
    weights = (q @ k.transpose(-1, -2) * scale).softmax(-1)
    by_weight = grad @ v.transpose(-1, -2)
    by_score = weights * (by_weight - (weights * by_weight).sum(-1, keepdim=True)) * scale
    by_heads = by_score @ k, by_score.transpose(-1, -2) @ q, weights.transpose(-1, -2) @ grad
    by_query, by_key, by_value = (x.transpose(1, 2).reshape(query.shape).to(query.dtype) for x in by_heads)
    return by_query.contiguous(), by_key.contiguous(), by_value.contiguous()


def positions_as_heads(tokens: Tensor, num_frames: int, num_heads: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch, positions * heads, frames, head_dim), a view."""
    batch_frames, positions, channels = tokens.shape
    shape = (batch_frames // num_frames, num_frames, positions * num_heads, channels // num_heads)
    return tokens.reshape(shape).transpose(1, 2)


def split_heads(tokens: Tensor, num_frames: int, num_heads: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch * positions, heads, frames, head_dim)."""
    batch_frames, positions, channels = tokens.shape
    batch, head_dim = batch_frames // num_frames, channels // num_heads
    tokens = tokens.reshape(batch, num_frames, positions, num_heads, head_dim)
    return tokens.permute(0, 2, 3, 1, 4).reshape(batch * positions, num_heads, num_frames, head_dim)


def join_heads(attended: Tensor, positions: int) -> Tensor:
    """(batch * positions, heads, frames, head_dim) -> (batch * frames, positions, channels)."""
    rows, num_heads, num_frames, head_dim = attended.shape
    batch = rows // positions
    attended = attended.reshape(batch, positions, num_heads, num_frames, head_dim).permute(0, 3, 1, 2, 4)
    return attended.reshape(batch * num_frames, positions, num_heads * head_dim)
