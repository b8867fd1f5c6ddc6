"""The small Wan's transformer and base: diffusers' own class, a family of its own, files that both read."""

from math import pi
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from exvideo_blocks import ExtensionConfig, extend, family_of, restore
from exvideo_blocks.families.wan.family import THETA
from exvideo_blocks.frequencies import intrinsic_component, riflex_frequencies, rotary_frequencies
from exvideo_infer import PromptConditions, load_base

from tiny_world.wan.base import TinyWanBase, save
from tiny_world.wan.network import FAMILY, NUM_FRAMES, TinyWanTransformer, build_network


@pytest.fixture
def network() -> TinyWanTransformer:
    torch.manual_seed(0)
    network = build_network().eval()
    torch.nn.init.normal_(network.proj_out.weight, std=0.1)
    return network.requires_grad_(False)


def conditions(first_frame: bool = True) -> PromptConditions:
    return PromptConditions(torch.randn(2, 28, 64), torch.randn(2, 8, 8, 8) if first_frame else None)


def test_it_has_about_a_million_parameters_and_answers_zero_at_first() -> None:
    network = build_network()
    assert 0.9e6 < sum(parameter.numel() for parameter in network.parameters()) < 1.1e6
    with torch.no_grad():
        answer = FAMILY.call(network, torch.randn(2, 3, 8, 8, 8), torch.tensor(500.0), conditions())
    assert torch.equal(answer, torch.zeros(2, 3, 8, 8, 8))


def test_its_family_has_a_latent_row_a_frame(network: TinyWanTransformer) -> None:
    assert family_of(network) is FAMILY
    assert family_of(WanTransformer3DModel(num_layers=1, num_attention_heads=1)) is not FAMILY
    assert [FAMILY.rows(frames) for frames in (1, 8, 40)] == [1, 8, 40]
    assert FAMILY.base_frames(network) == NUM_FRAMES


def test_it_repeats_itself_after_29_rows_which_riflex_makes_40(network: TinyWanTransformer) -> None:
    frequencies = rotary_frequencies(THETA, network.rope.t_dim)
    component, period = intrinsic_component(frequencies, NUM_FRAMES)
    assert (component, round(period)) == (2, 29)
    assert 2 * pi / riflex_frequencies(frequencies, NUM_FRAMES, 40)[1] == pytest.approx(40)


@pytest.mark.parametrize("level", ["position", "lora", "full"])
def test_freshly_extended_it_is_the_base_run_directly_and_restored_it_is_the_base(
    network: TinyWanTransformer, level: str
) -> None:
    clip, told, time = torch.randn(2, 40, 8, 8, 8), conditions(), torch.tensor(700.0)
    before = FAMILY.call(network, clip, time, told)
    extend(network, ExtensionConfig(40, level, "continued"))
    assert torch.equal(FAMILY.call(network, clip, time, told), before)
    restore(network)
    assert torch.equal(FAMILY.call(network, clip, time, told), before)


def test_its_folder_is_a_base_and_its_weights_are_a_stock_transformer_s(
    network: TinyWanTransformer, tmp_path: Path
) -> None:
    save(network, tmp_path)
    base: Any = load_base(tmp_path)
    assert isinstance(base, TinyWanBase)
    stock = WanTransformer3DModel.from_pretrained(tmp_path / "transformer", dtype=torch.float32)
    clip, told, time = torch.randn(2, 8, 8, 8, 8), conditions(first_frame=False), torch.tensor(300.0)
    with torch.no_grad():
        ours, theirs = (FAMILY.call(one, clip, time, told) for one in (base.network, stock))
    assert torch.equal(ours, theirs)
    assert ours.std() > 0.01


def test_a_clip_s_first_latents_are_those_of_its_first_frame(network: TinyWanTransformer, tmp_path: Path) -> None:
    save(network, tmp_path)
    base: Any = load_base(tmp_path)
    frames = torch.rand(3, 3, 64, 64) * 2 - 1
    latents, first = base.encode_frames(frames), base.encode_image(frames[0])["first_frame"]
    torch.testing.assert_close(latents[0], first)
    words = base.encode_text("a red circle bounces")
    told = base.conditions({"first_frame": first} | words, 8.0, 127.0)
    assert torch.equal(told.with_given(torch.randn(1, 3, 8, 8, 8))[0, 0], first)
    assert not torch.equal(told.tokens, told.without().tokens)
