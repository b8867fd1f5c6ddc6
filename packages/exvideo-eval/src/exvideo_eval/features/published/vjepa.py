"""V-JEPA ViT-H with the attentive pooler of its Something-Something v2 probe (Bardes et al., arXiv 2404.08471).

JEDi takes the pooler's answer, before the classifier.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from exvideo_eval.features.published.video_transformer import TUBE, Mlp, Shape, Trunk

HUGE = Shape(width=1280, depth=32, heads=16, hidden=5120, patch=16, key_bias=True)
FRAMES, SIZE = 16, 224  # of the clips that it was trained on


class VJepa(nn.Module):
    """Clips float32 (batch, 3, frames, height, width), normalised per channel, to features (batch, width)."""

    def __init__(self, shape: Shape = HUGE, size: int = SIZE) -> None:
        super().__init__()
        self.encoder = _Encoder(shape, size)
        self.pooler = _Pooler(shape)

    def forward(self, clips: Tensor) -> Tensor:
        pooled: Tensor = self.pooler(self.encoder(clips))
        return pooled.squeeze(1)


class _Encoder(Trunk):
    def __init__(self, shape: Shape, size: int) -> None:
        super().__init__(shape)
        self.grid = (FRAMES // TUBE, size // shape.patch, size // shape.patch)
        tokens = self.grid[0] * self.grid[1] * self.grid[2]
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=1e-6)

    def forward(self, clips: Tensor) -> Tensor:
        normalised: Tensor = self.norm(self.tokens(clips, self._positions(*clips.shape[2:])))
        return normalised

    def _positions(self, frames: int, height: int, width: int) -> Tensor:
        """The learned grid, bent to that of the clips by trilinear interpolation, as the authors do."""
        grid = (frames // TUBE, height // self.shape.patch, width // self.shape.patch)
        if grid == self.grid:
            return self.pos_embed
        scale = tuple(new / old for new, old in zip(grid, self.grid, strict=True))
        learned = self.pos_embed.unflatten(1, self.grid).permute(0, 4, 1, 2, 3)
        return interpolate(learned, scale_factor=scale, mode="trilinear").flatten(2).transpose(1, 2)


class _Pooler(nn.Module):
    """One learned query that attends to all tokens."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.cross_attention_block = _CrossBlock(shape)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.cross_attention_block(self.query_tokens.expand(len(tokens), -1, -1), tokens)
        return answer


class _CrossBlock(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width)
        self.xattn = _CrossAttention(shape)
        self.norm2 = nn.LayerNorm(shape.width)
        self.mlp = Mlp(shape.width, shape.hidden)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        query = query + self.xattn(query, self.norm1(tokens))
        answer: Tensor = query + self.mlp(self.norm2(query))
        return answer


class _CrossAttention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q, self.kv = nn.Linear(shape.width, shape.width), nn.Linear(shape.width, 2 * shape.width)
        self.proj = nn.Linear(shape.width, shape.width)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        q = self.q(query).unflatten(2, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(tokens).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended: Tensor = self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return attended
