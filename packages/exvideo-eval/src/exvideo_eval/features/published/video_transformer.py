"""Vision transformer on tubes of two frames: the trunk that VideoMAE-v2 and V-JEPA have in common.

Patches go through one convolution, positions are fixed and added, blocks normalise before they act (Dosovitskiy et al.,
arXiv 2010.11929; Tong et al., arXiv 2203.12602). Names of parameters are those of the authors' files.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

TUBE = 2  # frames


@dataclass(frozen=True)
class Shape:
    """Sizes of a trunk. `key_bias`: keys have a bias, too, which VideoMAE leaves out."""

    width: int
    depth: int
    heads: int
    hidden: int
    patch: int
    key_bias: bool


class Trunk(nn.Module):
    """Patches of clips and the blocks that they go through; `tokens` gives (batch, tokens, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        tube = (TUBE, shape.patch, shape.patch)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, shape.width, tube, tube)})
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.depth)])

    def tokens(self, clips: Tensor, positions: Tensor) -> Tensor:
        """Of clips float32 (batch, 3, frames, height, width) and positions (1, tokens, width)."""
        x: Tensor = self.patch_embed["proj"](clips).flatten(2).transpose(1, 2) + positions
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    """x + attention(norm(x)), then + mlp(norm(x))."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=1e-6)
        self.attn = Attention(shape)
        self.norm2 = nn.LayerNorm(shape.width, eps=1e-6)
        self.mlp = Mlp(shape.width, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        after: Tensor = x + self.mlp(self.norm2(x))
        return after


class Attention(nn.Module):
    """Of all tokens to all, in heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=shape.key_bias)
        if not shape.key_bias:
            self.q_bias, self.v_bias = (nn.Parameter(torch.zeros(shape.width)) for _ in range(2))
        self.proj = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.qkv.bias
        if bias is None:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = linear(x, self.qkv.weight, bias).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended: Tensor = self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return attended


class Mlp(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return after
