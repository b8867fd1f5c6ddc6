"""The neighbours of temporal attention, one contest each: ours against PyTorch's own operators, eager and compiled.

The last contest is the attention sub-block as a whole, to the norm after it, as that is where its residual goes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from exvideo_blocks.kernels.add_layer_norm import add_layer_norm
from exvideo_blocks.kernels.temporal_attention import project_packed, temporal_attention, temporal_attention_packed
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from benchmarks.kernels.contenders import Case, our_backend

OURS, EAGER, COMPILED = "ours", "eager", "compiled eager"

EPS = 1e-5


@dataclass(frozen=True)
class Tensors:
    """All that a sub-block reads: tokens (batch * frames, positions, channels), rows (frames, channels), weights."""

    tokens: Tensor
    residual: Tensor
    rows: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    to_q: Tensor
    to_k: Tensor
    to_v: Tensor
    to_out: Tensor
    to_out_bias: Tensor
    next_weight: Tensor
    next_bias: Tensor


Compute = Callable[[Tensors, int, int], tuple[Tensor, ...]]  # of tensors, num_frames, num_heads


@dataclass(frozen=True)
class Contest:
    """One computation and who does it.

    Args:
        name: of the computation.
        uses: fields of `Tensors` that it reads, and that training wants gradients of.
        contenders: ours first, then eager; what they give differs in nothing but in how channels are cut up.
        activations: that the best program reads or writes, forward and in training (forward and backward).
        products: with matrices (channels, channels), forward.
        attends: whether attention is part of it.
    """

    name: str
    uses: tuple[str, ...]
    contenders: dict[str, Compute]
    activations: dict[str, int]
    products: int = 0
    attends: bool = False

    def work(self, direction: str, case: Case, itemsize: int) -> tuple[int, int]:
        """Bytes that must be read or written, and FLOPs."""
        numbers = case.batch * case.num_frames * case.positions * case.channels
        projections, attention = (3, 7) if direction == "training" else (1, 2)  # backward, attention has five products
        flops = 2 * (self.products * projections * case.channels + self.attends * attention * case.num_frames)
        return self.activations[direction] * numbers * itemsize, flops * numbers

    def counted(self) -> dict[str, Any]:
        """The terms of `work` as plain JSON values."""
        return {"activations": self.activations, "products": self.products, "attends": self.attends}

    def on(self, device: torch.device) -> dict[str, Compute]:
        """Its contenders; on a GPU also eager, compiled."""
        if device.type != "cuda":
            return self.contenders
        return self.contenders | {COMPILED: compile_once(self.contenders[EAGER], not self.attends)}


@cache
def compile_once(compute: Compute, for_any_size: bool) -> Compute:
    """Attention chooses its kernels by size, which it has to know: compiled for each."""
    return torch.compile(compute, dynamic=for_any_size)


def rows_and_norm(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    return _add_norm(t.tokens, t.rows, t.norm_weight, t.norm_bias)


def eager_rows_and_norm(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    total = t.tokens + t.rows.repeat(t.tokens.shape[0] // num_frames, 1)[:, None]
    return total, layer_norm(total, total.shape[-1:], t.norm_weight, t.norm_bias, EPS)


def residual_and_norm(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    return _add_norm(t.tokens, t.residual, t.norm_weight, t.norm_bias)


def eager_residual_and_norm(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    total = t.tokens + t.residual
    return total, layer_norm(total, total.shape[-1:], t.norm_weight, t.norm_bias, EPS)


def packed_projections(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    return (project_packed(t.tokens, (t.to_q, t.to_k, t.to_v)),)


def eager_projections(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    return linear(t.tokens, t.to_q), linear(t.tokens, t.to_k), linear(t.tokens, t.to_v)


def packed_attention(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    (qkv,) = packed_projections(t, num_frames, num_heads)
    return (_attention_packed(qkv, num_frames, num_heads),)


def eager_projections_and_attention(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    q, k, v = eager_projections(t, num_frames, num_heads)
    return (_attention(q, k, v, num_frames, num_heads),)


def fused_sub_block(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    total, normed = _add_norm(t.tokens, t.rows, t.norm_weight, t.norm_bias)
    qkv = project_packed(normed, (t.to_q, t.to_k, t.to_v))
    attended = _attention_packed(qkv, num_frames, num_heads)
    return _add_norm(linear(attended, t.to_out, t.to_out_bias), total, t.next_weight, t.next_bias)


def eager_sub_block(t: Tensors, num_frames: int, num_heads: int) -> tuple[Tensor, ...]:
    total, normed = eager_rows_and_norm(t, num_frames, num_heads)
    q, k, v = linear(normed, t.to_q), linear(normed, t.to_k), linear(normed, t.to_v)
    attended = _attention(q, k, v, num_frames, num_heads)
    total = linear(attended, t.to_out, t.to_out_bias) + total
    return total, layer_norm(total, total.shape[-1:], t.next_weight, t.next_bias, EPS)


def _add_norm(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    return add_layer_norm(tokens, added, weight, bias, EPS, backend=our_backend(tokens.device))


def _attention(q: Tensor, k: Tensor, v: Tensor, num_frames: int, num_heads: int) -> Tensor:
    backend = our_backend(q.device)
    return temporal_attention(q, k, v, num_frames=num_frames, num_heads=num_heads, backend=backend)


def _attention_packed(qkv: Tensor, num_frames: int, num_heads: int) -> Tensor:
    backend = our_backend(qkv.device)
    return temporal_attention_packed(qkv, num_frames=num_frames, num_heads=num_heads, backend=backend)


NORM, PROJECTIONS, OUT = ("norm_weight", "norm_bias"), ("to_q", "to_k", "to_v"), ("to_out", "to_out_bias")
CONTESTS = (
    Contest(
        "position + norm",
        ("tokens", "rows", *NORM),
        {OURS: rows_and_norm, EAGER: eager_rows_and_norm},
        {"forward": 3, "training": 7},
    ),
    Contest(
        "residual + norm",
        ("tokens", "residual", *NORM),
        {OURS: residual_and_norm, EAGER: eager_residual_and_norm},
        {"forward": 4, "training": 8},
    ),
    Contest(
        "q, k, v",
        ("tokens", *PROJECTIONS),
        {OURS: packed_projections, EAGER: eager_projections},
        {"forward": 4, "training": 9},
        products=3,
    ),
    Contest(
        "q, k, v and attention",
        ("tokens", *PROJECTIONS),
        {OURS: packed_attention, EAGER: eager_projections_and_attention},
        {"forward": 2, "training": 5},
        products=3,
        attends=True,
    ),
    Contest(
        "sub-block and next norm",
        ("tokens", "rows", *NORM, *PROJECTIONS, *OUT, "next_weight", "next_bias"),
        {OURS: fused_sub_block, EAGER: eager_sub_block},
        {"forward": 3, "training": 7},
        products=4,
        attends=True,
    ),
)
