"""FreeLong, our reading."""

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention

from benchmarks.quality.spectral_blend import REACH, SpectralBlend, blend_attention, low_pass
from tiny_world.system.causes import NearFrames


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(16, heads=2, dim_head=8, processor=None).eval()


def test_the_filter_leaves_the_mean_and_little_of_the_fastest() -> None:
    weights = low_pass(40)
    assert weights.shape == (21,)
    assert weights[0] == 1
    assert weights[5] == pytest.approx(torch.exp(torch.tensor(-0.5)))  # a quarter of the highest frequency
    assert weights[-1] < 1e-3
    assert (weights.diff() < 0).all()


@torch.no_grad()
def test_its_mean_over_time_is_that_of_all_frames_and_what_alternates_that_of_the_near(attention: Attention) -> None:
    hidden = torch.randn(3, 20, 16, generator=torch.Generator().manual_seed(1))
    near_frames = NearFrames(REACH)
    near, every = near_frames(attention, hidden), near_frames.whole(attention, hidden)
    made = SpectralBlend()(attention, hidden)
    assert made.shape == hidden.shape
    torch.testing.assert_close(made.mean(dim=1), every.mean(dim=1))
    signs = torch.tensor([1.0, -1.0]).repeat(10)[:, None]
    torch.testing.assert_close((made * signs).mean(dim=1), (near * signs).mean(dim=1), atol=1e-3, rtol=0)
    assert (near - every).abs().max() > 1e-2  # else there is nothing to blend


@torch.no_grad()
def test_a_clip_of_near_frames_is_attended_to_as_by_the_base(attention: Attention) -> None:
    hidden = torch.randn(2, REACH, 16, generator=torch.Generator().manual_seed(1))
    expected = NearFrames(REACH).whole(attention, hidden)
    torch.testing.assert_close(SpectralBlend()(attention, hidden), expected)


def test_every_temporal_self_attention_has_it(pipe: Any) -> None:
    blend_attention(pipe)
    kinds = {
        name: type(module.processor)
        for name, module in pipe.unet.named_modules()
        if isinstance(module, Attention) and ".temporal_transformer_blocks." in name
    }
    assert {name.rpartition(".")[2] for name, kind in kinds.items() if kind is SpectralBlend} == {"attn1"}
    assert sum(kind is SpectralBlend for kind in kinds.values()) == len(kinds) / 2
