"""The extended sites against slow references written from the formulas alone, in plain tensor operations.

The formulas are those of ExVideo's section 3 around the spatial and temporal transformer blocks of Stable Video
Diffusion, and around the motion modules of AnimateDiff. Nothing here is shared with the package: weights are read by
name, shapes are written out.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend
from torch import Tensor

Weights = dict[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    y = torch.einsum("...i,oi->...o", x, w[f"{name}.weight"])
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def group_norm(w: Weights, name: str, x: Tensor, groups: int, eps: float) -> Tensor:
    """x: (images, channels, height, width)."""
    grouped = x.reshape(len(x), groups, -1)
    centred = grouped - grouped.mean(-1, keepdim=True)
    normal = (centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()).reshape(x.shape)
    return normal * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def feed_forward(w: Weights, name: str, x: Tensor) -> Tensor:
    """GEGLU: half of the first product, gated by the exact GELU of the other half."""
    hidden, gate = linear(w, f"{name}.net.0.proj", x).chunk(2, dim=-1)
    return linear(w, f"{name}.net.2", hidden * gate * (1 + torch.erf(gate / math.sqrt(2))) / 2)


def attention(w: Weights, name: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
    """x: (..., queries, channels), context: (..., keys, dimension)."""
    query, key, value = (
        linear(w, f"{name}.{part}", of).unflatten(-1, (heads, -1))
        for part, of in (("to_q", x), ("to_k", context), ("to_v", context))
    )
    scores = torch.einsum("...qhd,...khd->...hqk", query, key) / math.sqrt(query.shape[-1])
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return linear(w, f"{name}.to_out.0", torch.einsum("...hqk,...khd->...qhd", weights, value).flatten(-2))


def spatial_block(w: Weights, name: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
    normal = layer_norm(w, f"{name}.norm1", x)
    x = x + attention(w, f"{name}.attn1", normal, normal, heads)
    x = x + attention(w, f"{name}.attn2", layer_norm(w, f"{name}.norm2", x), context, heads)
    return x + feed_forward(w, f"{name}.ff", layer_norm(w, f"{name}.norm3", x))


def temporal_block(w: Weights, name: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
    """x: (batch, frames, positions, channels); attention runs along frames."""
    x = x + feed_forward(w, f"{name}.ff_in", layer_norm(w, f"{name}.norm_in", x))
    rows = layer_norm(w, f"{name}.norm1", x).transpose(1, 2)
    x = x + attention(w, f"{name}.attn1", rows, rows, heads).transpose(1, 2)
    rows = layer_norm(w, f"{name}.norm2", x).transpose(1, 2)
    x = x + attention(w, f"{name}.attn2", rows, context[:, None], heads).transpose(1, 2)
    return x + feed_forward(w, f"{name}.ff", layer_norm(w, f"{name}.norm3", x))


def convolve(w: Weights, name: str, video: Tensor) -> Tensor:
    """video: (batch, frames, height, width, channels); 3x3x3, edges reflected, tap by tap."""
    for axis in (1, 2, 3):
        length = video.shape[axis]
        around = torch.tensor([1, *range(length), length - 2]) if length > 1 else torch.zeros(3, dtype=torch.long)
        video = video.index_select(axis, around)
    frames, height, width = (size - 2 for size in video.shape[1:4])
    total: Tensor | float = 0.0
    for f in range(3):
        for i in range(3):
            for j in range(3):
                window = video[:, f : f + frames, i : i + height, j : j + width]
                total = total + torch.einsum("bfhwi,oi->bfhwo", window, w[f"{name}.weight"][:, :, f, i, j])
    return total + w[f"{name}.bias"]


def reference_site(w: Weights, x: Tensor, context: Tensor, batch: int, heads: int) -> Tensor:
    """x: (batch * frames, channels, height, width), context: (batch, tokens, dimension)."""
    (_, _, height, width), frames = x.shape, len(x) // batch
    tokens = group_norm(w, "norm", x, groups=32, eps=1e-6).flatten(2).transpose(1, 2).unflatten(0, (batch, frames))
    tokens = linear(w, "proj_in", tokens)
    spatial = spatial_block(w, "transformer_blocks.0", tokens, context[:, None], heads)

    table = linear(w, "time_pos_embed.linear_1", w["frame_table.weight"][:frames])
    embedding = linear(w, "time_pos_embed.linear_2", table / (1 + (-table).exp()))  # SiLU
    mixed = spatial + embedding[None, :, None]
    mixed = convolve(w, "identity_convs.0", mixed.unflatten(2, (height, width))).flatten(2, 3)
    mixed = temporal_block(w, "temporal_transformer_blocks.0", mixed, context, heads)

    share = 1 / (1 + (-w["time_mixer.mix_factor"]).exp())
    out = linear(w, "proj_out", share * spatial + (1 - share) * mixed)
    return out.transpose(2, 3).reshape(x.shape) + x


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("frames", [2, 8, 25, 40, 128])
def test_an_extended_site_is_what_the_formulas_say(tiny_unet: Callable[..., Any], frames: int, tokens: int) -> None:
    unet = tiny_unet(num_frames=25)
    extend(unet, ExtensionConfig(num_frames=128))
    site = unet.down_blocks[0].attentions[0]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in site.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        x = torch.randn(2 * frames, 32, 4, 3, generator=generator)
        context = torch.randn(2, tokens, 32, generator=generator)
        got = site(x, context.repeat_interleave(frames, dim=0), torch.zeros(2, frames), return_dict=False)[0]
        exact = {name: parameter.double() for name, parameter in site.named_parameters()}
        heads = site.transformer_blocks[0].attn1.heads
        expected = reference_site(exact, x.double(), context.double(), batch=2, heads=heads)
    error = (got - expected).norm() / expected.norm()
    assert error <= 1e-5, error
    branch = (got - x - (expected - x)).norm() / (expected - x).norm()  # the residual hides nothing
    assert branch <= 1e-5, branch


# --- AnimateDiff -----------------------------------------------------------------------------------------------------


def reference_motion_module(w: Weights, x: Tensor, batch: int, heads: int) -> Tensor:
    """x: (batch * frames, channels, height, width)."""
    frames, channels, height, width = len(x) // batch, *x.shape[1:]
    clips = x.unflatten(0, (batch, frames)).transpose(1, 2)  # the norm's groups span the frames of a clip
    normal = group_norm(w, "norm", clips.flatten(3), groups=32, eps=1e-6).unflatten(3, (height, width))
    tokens = convolve(w, "identity_conv", linear(w, "proj_in", normal.permute(0, 2, 3, 4, 1)))
    rows = tokens.permute(0, 2, 3, 1, 4)  # (batch, height, width, frames, channels)
    name = "transformer_blocks.0"
    for use in (1, 2):
        placed = layer_norm(w, f"{name}.norm{use}", rows) + w[f"{name}.frame_table{use}.weight"][:frames]
        rows = rows + attention(w, f"{name}.attn{use}", placed, placed, heads)
    rows = rows + feed_forward(w, f"{name}.ff", layer_norm(w, f"{name}.norm3", rows))
    out = linear(w, "proj_out", rows).permute(0, 3, 4, 1, 2)
    return out.reshape(batch * frames, channels, height, width) + x


@pytest.mark.parametrize("frames", [1, 2, 8, 25, 40])
def test_an_extended_motion_module_is_what_the_formulas_say(tiny_motion_unet: Callable[..., Any], frames: int) -> None:
    unet = tiny_motion_unet()
    extend(unet, ExtensionConfig(num_frames=40))
    module = unet.down_blocks[0].motion_modules[0]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        x = torch.randn(2 * frames, 32, 4, 3, generator=generator)
        got = module(x, num_frames=frames)
        exact = {name: parameter.double() for name, parameter in module.named_parameters()}
        heads = module.transformer_blocks[0].attn1.heads
        expected = reference_motion_module(exact, x.double(), batch=2, heads=heads)
    branch = (got - x - (expected - x)).norm() / (expected - x).norm()  # the residual hides nothing
    assert branch <= 1e-5, branch
