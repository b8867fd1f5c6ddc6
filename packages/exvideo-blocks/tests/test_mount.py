"""Invariants of a mounted extension, over base lengths, shapes and levels."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, check_extends, extend, restore
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import POSITIONS
from torch import Tensor

MakeUnet = Callable[..., Any]


def inputs(batch: int, frames: int, height: int, width: int, tokens: int = 1, seed: int = 1) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(batch, frames, 8, height, width, generator=generator)
    context = torch.randn(batch, tokens, 32, generator=generator)
    return sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]] * batch)


def run(unet: Any, *args: Tensor) -> Tensor:
    with torch.no_grad():
        return unet(*args).sample


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("base", "batch", "frames", "height", "width", "tokens"),
    [
        (8, 1, 8, 16, 16, 1),
        (8, 2, 8, 16, 16, 1),
        (8, 2, 5, 6, 10, 1),
        (8, 1, 1, 8, 8, 1),
        (14, 1, 14, 8, 8, 1),
        (14, 2, 11, 8, 4, 5),
        (25, 2, 25, 8, 8, 1),
        (25, 1, 17, 4, 6, 3),
        (8, 1, 8, 1, 1, 1),  # a site of a single pixel
        (8, 2, 5, 1, 6, 1),
    ],
)
def test_a_new_extension_equals_its_base_bit_for_bit(
    tiny_unet: MakeUnet, level: str, base: int, batch: int, frames: int, height: int, width: int, tokens: int
) -> None:
    unet = tiny_unet(num_frames=base)
    args = inputs(batch, frames, height, width, tokens)
    before = run(unet, *args)
    extend(unet, ExtensionConfig(num_frames=2 * base, level=level))
    assert torch.equal(run(unet, *args), before)


@pytest.mark.parametrize("frames", [1, 8, 20])
def test_with_continued_positions_it_equals_its_base_at_every_length(tiny_unet: MakeUnet, frames: int) -> None:
    unet = tiny_unet()
    before = run(unet, *inputs(2, frames, 8, 8))
    extend(unet, ExtensionConfig(num_frames=20, positions="continued"))
    assert torch.equal(run(unet, *inputs(2, frames, 8, 8)), before)


def test_stacked_layers_are_extended_one_by_one(tiny_unet: MakeUnet) -> None:
    from diffusers import UNetSpatioTemporalConditionModel

    config = dict(tiny_unet().config) | {"transformer_layers_per_block": (2, 1)}
    unet = UNetSpatioTemporalConditionModel(**config).eval()
    before = run(unet, *inputs(1, 8, 8, 8))
    extension = extend(unet, ExtensionConfig(num_frames=16))
    assert torch.equal(run(unet, *inputs(1, 8, 8, 8)), before)
    assert "down_blocks.0.attentions.0.identity_convs.1.weight" in extension.named_parameters()


def test_parameter_counts_at_the_size_of_svd_xt() -> None:
    from diffusers import UNetSpatioTemporalConditionModel

    def count(level: str) -> tuple[int, int]:
        with torch.device("meta"):
            unet = UNetSpatioTemporalConditionModel()
        extension = extend(unet, ExtensionConfig(num_frames=128, level=level))
        trained = sum(parameter.numel() for parameter in unet.parameters() if parameter.requires_grad)
        assert trained == sum(parameter.numel() for parameter in extension.named_parameters().values())
        return trained, sum(parameter.numel() for parameter in unet.parameters())

    assert count("full") == (832_956_800, 1_860_773_802)
    rounded = {level: round(count(level)[0] / 1e6, 1) for level in ("temporal", "conv", "attention", "position")}
    assert rounded == {"temporal": 498.4, "conv": 336.2, "attention": 51.6, "position": 1.6}


@pytest.mark.parametrize(("level", "rank", "millions"), [("lora", 16, 3.3), ("lora", 64, 8.1)])
def test_parameter_counts_of_lora_at_the_size_of_svd_xt(level: str, rank: int, millions: float) -> None:
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel()
    extension = extend(unet, ExtensionConfig(num_frames=128, level=level, lora_rank=rank))
    trained = sum(parameter.numel() for parameter in extension.named_parameters().values())
    assert round(trained / 1e6, 1) == millions
    assert trained == sum(parameter.numel() for parameter in unet.parameters() if parameter.requires_grad)


def test_parameters_before_a_softmax_over_one_token_are_not_trained(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12))
    dead = set(extension.named_parameters()) - set(extension.trainable_parameters(context_tokens=1))
    assert dead
    before = run(unet, *inputs(1, 12, 8, 8))
    with torch.no_grad():
        for name in dead:
            unet.get_parameter(name).add_(1.0)
    torch.testing.assert_close(run(unet, *inputs(1, 12, 8, 8)), before)
    several = extend(tiny_unet(), ExtensionConfig(num_frames=12))
    assert set(several.trainable_parameters(context_tokens=4)) == set(several.named_parameters())


@pytest.mark.parametrize("calls", [(1, 4), (4, 1), (1, None)])
def test_what_requires_a_gradient_is_what_was_asked_for_last(
    tiny_unet: MakeUnet, calls: tuple[int | None, ...]
) -> None:
    unet = tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12))
    for context_tokens in calls:
        trained = extension.trainable_parameters(context_tokens)
        assert {name for name, p in unet.named_parameters() if p.requires_grad} == set(trained)
    assert (len(trained) < len(extension.named_parameters())) == (calls[-1] == 1)


def test_restore_gives_the_original_back_after_training(tiny_unet: MakeUnet) -> None:
    unet, untouched = tiny_unet(), tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(torch.randn_like(parameter))
    restore(unet)
    assert list(unet.state_dict()) == list(untouched.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), untouched.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in unet.parameters())
    args = inputs(1, 12, 8, 8)
    assert torch.equal(run(unet, *args), run(untouched, *args))


def test_a_longer_clip_really_uses_the_new_rows(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12))
    long, short = run(unet, *inputs(1, 12, 8, 8)), run(unet, *inputs(1, 11, 8, 8))
    with torch.no_grad():
        extension.named_parameters()["mid_block.attentions.0.frame_table.weight"][11] += 1.0
    assert not torch.allclose(run(unet, *inputs(1, 12, 8, 8)), long)
    assert torch.equal(run(unet, *inputs(1, 11, 8, 8)), short)


def test_forward_chunking_still_works(tiny_unet: MakeUnet) -> None:
    unet, args = tiny_unet(), inputs(1, 6, 4, 5)  # frames are chunked by threes; positions, 20, could not be
    whole = run(unet, *args)
    unet.enable_forward_chunking(3)
    torch.testing.assert_close(run(unet, *args), whole)
    extend(unet, ExtensionConfig(num_frames=12))
    torch.testing.assert_close(run(unet, *args), whole)


def test_a_stock_pipeline_runs_an_extended_unet(tiny_base_dir: Any) -> None:
    from diffusers import StableVideoDiffusionPipeline
    from PIL import Image

    pipeline = StableVideoDiffusionPipeline.from_pretrained(tiny_base_dir)
    pipeline.set_progress_bar_config(disable=True)
    call = {
        "image": Image.new("RGB", (64, 64), "teal"),
        "num_inference_steps": 2,
        "output_type": "np",
        "height": 64,
        "width": 64,
    }
    before = pipeline(num_frames=8, generator=torch.manual_seed(0), **call).frames
    extend(pipeline.unet, ExtensionConfig(num_frames=12))
    pipeline = StableVideoDiffusionPipeline(**pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    assert (pipeline(num_frames=8, generator=torch.manual_seed(0), **call).frames == before).all()
    assert pipeline(num_frames=12, generator=torch.manual_seed(0), **call).frames.shape == (1, 12, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": "40"}, "num_frames='40' must be a whole number"),
        ({"num_frames": 1}, "num_frames=1 must be a whole number of at least 2"),
        ({"num_frames": 40, "level": "everything"}, "level='everything' is unknown: choose one of full"),
        ({"num_frames": 40, "positions": "new"}, "positions='new' is unknown: choose one of reflected"),
        ({"num_frames": 40, "lora_rank": 0}, "lora_rank=0 must be a whole number of at least 1"),
        ({"num_frames": 40, "base_frames": 1.5}, "base_frames=1.5 must be a whole number of at least 2 frames"),
    ],
)
def test_a_bad_configuration_is_refused_before_a_model_is_touched(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExtensionConfig(**options)


def test_models_that_cannot_be_extended(tiny_unet: MakeUnet) -> None:
    with pytest.raises(TypeError, match=r"Linear cannot be extended.*UNetSpatioTemporalConditionModel"):
        extend(torch.nn.Linear(2, 2), ExtensionConfig(num_frames=40))
    unet = tiny_unet()
    with pytest.raises(ValueError, match="num_frames=8 is no extension of a base model of 8 frames"):
        extend(unet, ExtensionConfig(num_frames=8))
    extend(unet, ExtensionConfig(num_frames=12))
    with pytest.raises(ValueError, match="extended already"):
        extend(unet, ExtensionConfig(num_frames=16))
    with pytest.raises(ValueError, match="num_frames=13 is beyond the 12 frames"):
        run(unet, *inputs(1, 13, 8, 8))
    restore(unet)
    with pytest.raises(ValueError, match="This UNetSpatioTemporalConditionModel is not extended: there is nothing to"):
        restore(unet)


@pytest.mark.parametrize("function", [extend, check_extends])
def test_a_base_of_one_frame_is_refused(tiny_unet: MakeUnet, function: Callable[..., Any]) -> None:
    unet = tiny_unet(num_frames=1)
    for positions in POSITIONS:
        with pytest.raises(
            ValueError, match=r"A base model of 1 frame cannot be extended.*give ExtensionConfig its ba"
        ):
            function(unet, ExtensionConfig(num_frames=12, positions=positions))
    assert all(parameter.requires_grad for parameter in unet.parameters())
    function(unet, ExtensionConfig(num_frames=12, base_frames=8))


def test_a_motion_adapter_is_told_what_to_make_of_it() -> None:
    from diffusers import MotionAdapter

    adapter = MotionAdapter(block_out_channels=(32,), motion_num_attention_heads=2, use_motion_mid_block=False)
    with pytest.raises(TypeError, match=r"MotionAdapter cannot.*UNetMotionModel.from_unet2d\(unet, adapter\)\.$"):
        extend(adapter, ExtensionConfig(num_frames=40))
