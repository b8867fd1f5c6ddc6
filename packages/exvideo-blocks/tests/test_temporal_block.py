"""Attention to a single token is the broadcast add that it is, and no bit of the base is lost for it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention
from exvideo_blocks import ExtensionConfig, extend
from exvideo_blocks.families.svd.block import attend_to_one_token
from torch import Tensor


def attention(dtype: torch.dtype = torch.float32) -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=64, cross_attention_dim=32, heads=2, dim_head=32).to(dtype).requires_grad_(False)


def as_in_the_base(attn: Attention, context: Tensor, frames: int, positions: int) -> Tensor:
    """diffusers' own attention: a row a position, frames as its sequence, any query; as ours are laid out."""
    rows = context.repeat_interleave(positions, dim=0)
    out = attn(torch.randn(len(rows), frames, 64).to(context.dtype), encoder_hidden_states=rows)
    return out.unflatten(0, (-1, positions)).transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("batch", "frames", "positions"), [(1, 1, 16), (1, 25, 6), (2, 5, 7), (3, 8, 100)])
def test_it_rounds_as_the_base_does(dtype: torch.dtype, batch: int, frames: int, positions: int) -> None:
    attn, context = attention(dtype), torch.randn(batch, 1, 32).to(dtype)
    got = attend_to_one_token(attn, context, frames, positions, as_base_rounds=True)
    assert torch.equal(got, as_in_the_base(attn, context, frames, positions))


def test_one_row_a_clip_is_the_same_but_for_rounding() -> None:
    attn, context = attention(torch.float64), torch.randn(2, 1, 32).double()
    cheap = attend_to_one_token(attn, context, 5, 7, as_base_rounds=False)
    torch.testing.assert_close(cheap, as_in_the_base(attn, context, 5, 7), rtol=0, atol=1e-14)


def test_what_is_missing_is_named(tiny_unet: Callable[..., Any]) -> None:
    unet = tiny_unet()
    extend(unet, ExtensionConfig(num_frames=12))
    site, x, context = unet.mid_block.attentions[0], torch.zeros(12, 64, 2, 2), torch.zeros(12, 1, 32)
    for arguments in ({"encoder_hidden_states": context}, {"image_only_indicator": torch.zeros(1, 12)}):
        with pytest.raises(ValueError, match="encoder_hidden_states and image_only_indicator must both be given"):
            site(x, **arguments)
    with pytest.raises(ValueError, match="encoder_hidden_states=None, but this temporal block attends to a context"):
        site.temporal_transformer_blocks[0](torch.zeros(12, 4, 64), num_frames=12)


@pytest.mark.parametrize("as_base_rounds", [False, True])
def test_value_and_output_learn_the_same_either_way(as_base_rounds: bool) -> None:
    attn, context = attention(torch.float64).requires_grad_(True), torch.randn(2, 1, 32).double()
    weight = torch.randn(10, 7, 64).double()
    (attend_to_one_token(attn, context, 5, 7, as_base_rounds) * weight).sum().backward()
    got = {name: parameter.grad for name, parameter in attn.named_parameters()}
    attn.zero_grad()
    (as_in_the_base(attn, context, 5, 7) * weight).sum().backward()
    for name, parameter in attn.named_parameters():
        if name.startswith(("to_q", "to_k")):
            assert got[name] is None
            assert parameter.grad is not None
            assert parameter.grad.abs().max() < 1e-12
        else:
            torch.testing.assert_close(got[name], parameter.grad)
