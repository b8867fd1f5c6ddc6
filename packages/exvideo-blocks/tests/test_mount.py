"""What must hold of a mounted extension, over base lengths, shapes and levels."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore
from exvideo_blocks.levels import LEVELS
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


@pytest.mark.parametrize("level", LEVELS)
def test_only_the_extension_gets_gradients_and_the_rest_stays(tiny_unet: MakeUnet, level: str) -> None:
    unet = tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12, level=level))
    trained = extension.trainable_parameters(context_tokens=1)
    frozen = {name: p.detach().clone() for name, p in unet.named_parameters() if name not in trained}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    for seed in range(3):
        optimizer.zero_grad()
        unet(*inputs(1, 12, 8, 8, seed=seed)).sample.square().mean().backward()
        optimizer.step()
    assert all(parameter.grad is not None for parameter in trained.values())
    assert all(torch.equal(unet.get_parameter(name), value) for name, value in frozen.items())
    assert all(unet.get_parameter(name).grad is None for name in frozen)


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
    before = run(unet, *inputs(1, 12, 8, 8))
    with torch.no_grad():
        extension.named_parameters()["mid_block.attentions.0.frame_table.weight"][11] += 1.0
    assert not torch.allclose(run(unet, *inputs(1, 12, 8, 8)), before)
    assert torch.equal(run(unet, *inputs(1, 11, 8, 8)), run(copy.deepcopy(unet), *inputs(1, 11, 8, 8)))


def test_a_batch_of_two_is_two_of_one(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet().double()
    extension = extend(unet, ExtensionConfig(num_frames=12))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.02 * torch.randn_like(parameter))
    sample, time, context, ids = (t.double() for t in inputs(2, 12, 8, 8))
    both = run(unet, sample, time, context, ids)
    each = [run(unet, sample[i : i + 1], time, context[i : i + 1], ids[:1]) for i in range(2)]
    torch.testing.assert_close(both, torch.cat(each), rtol=0, atol=1e-12)


def test_checkpointing_gives_the_same_gradients(tiny_unet: MakeUnet) -> None:
    plain, saving = tiny_unet(), tiny_unet()
    for unet in (plain, saving):
        extend(unet, ExtensionConfig(num_frames=12)).trainable_parameters(context_tokens=1)
    saving.enable_gradient_checkpointing()
    for unet in (plain, saving):
        unet.train()(*inputs(1, 12, 8, 8)).sample.square().mean().backward()
    for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        assert a.grad is None or torch.equal(a.grad, b.grad), name


def test_forward_chunking_still_works(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extend(unet, ExtensionConfig(num_frames=12))
    whole = run(unet, *inputs(1, 12, 8, 8))
    unet.enable_forward_chunking()
    torch.testing.assert_close(run(unet, *inputs(1, 12, 8, 8)), whole)


def test_a_copied_model_is_extended_on_its_own(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extend(unet, ExtensionConfig(num_frames=12))
    twin = copy.deepcopy(unet)
    restore(twin)
    assert run(unet, *inputs(1, 12, 8, 8)).shape == (1, 12, 4, 8, 8)
    with pytest.raises(ValueError, match="is not extended"):
        restore(twin)


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
        ({"num_frames": 40, "level": "everything"}, "level='everything' is unknown; choose one of full"),
        ({"num_frames": 40, "positions": "new"}, "positions='new' is unknown; choose one of reflected"),
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
