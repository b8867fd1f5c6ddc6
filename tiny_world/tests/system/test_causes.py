from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from tiny_world.system.causes import NearFrames, window_after_window, with_near_frames, with_positions


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=8, heads=2, dim_head=4).eval()


@torch.no_grad()
def test_a_frame_sees_nothing_of_frames_that_are_too_far_away(attention: Attention) -> None:
    tokens = torch.randn(3, 10, 8)
    changed = tokens.clone()
    changed[:, 7] += 1
    attention.set_processor(NearFrames(3))
    before, after = attention(tokens), attention(changed)
    differs = (before != after).any(dim=2).any(dim=0)
    assert differs.tolist() == [number in range(5, 10) for number in range(10)]


@torch.no_grad()
def test_within_its_reach_it_is_the_whole_attention(attention: Attention) -> None:
    tokens = torch.randn(3, 10, 8)
    whole = attention(tokens)
    attention.set_processor(NearFrames(10))
    torch.testing.assert_close(attention(tokens), whole)


class Counting:
    """A pipeline whose frames count on from the one that it is given."""

    unet = SimpleNamespace(config=SimpleNamespace(num_frames=8))

    def __call__(self, num_frames: int, output_type: str, image: Tensor, prompt: str) -> Any:
        assert output_type == "pt"
        assert prompt == "on"
        steps = torch.arange(num_frames).view(1, -1, 1, 1, 1)
        return SimpleNamespace(frames=image[:, None] + steps)


def test_window_after_window_goes_on_from_the_last_frame() -> None:
    pipeline: Any = Counting()
    frames = window_after_window(pipeline, {"image": torch.zeros(1, 3, 2, 2), "prompt": "on"}, 40)
    assert frames.shape == (1, 40, 3, 2, 2)
    assert frames[0, :, 0, 0, 0].tolist() == list(range(40))


def test_every_temporal_attention_is_narrowed_and_no_other() -> None:
    narrowed = {
        name
        for name, module in with_near_frames(8).unet.named_modules()
        if isinstance(module, Attention) and isinstance(module.processor, NearFrames)
    }
    assert len(narrowed) == 4
    assert all(name.endswith("temporal_transformer_blocks.0.attn1") for name in narrowed)


def test_a_fresh_extension_leaves_the_base_as_it_is_at_its_own_length() -> None:
    given = torch.randn(1, 8, 16, 8, 8), torch.zeros(1), torch.randn(1, 29, 64), torch.zeros(1, 3)
    with torch.no_grad():
        base, extended = (
            p.unet(*given, return_dict=False)[0] for p in (with_near_frames(8), with_positions("reflected", 40))
        )
    torch.testing.assert_close(extended, base, atol=1e-4, rtol=1e-3)
