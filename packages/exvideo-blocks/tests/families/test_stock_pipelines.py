"""Stock pipelines of diffusers over extended transformers, from noise to frames, and what diffusers does to a model."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, extension_of, restore
from exvideo_blocks.families.cogvideox.positions import rotary_positions
from torch import Tensor

Make = Callable[..., Any]
KINDS = ("wan", "hunyuan_video", "ltx", "cogvideox", "cogvideox-2b")
STRIDE = {"ltx": 8}
KNOWN, LONG = 3, 5  # latent frames


def frames(kind: str, rows: int) -> int:
    return (rows - 1) * STRIDE.get(kind, 4) + 1


def config_for(kind: str, level: str = "lora", positions: str = "reflected") -> ExtensionConfig:
    return ExtensionConfig(frames(kind, LONG), level, positions, lora_rank=2, base_frames=frames(kind, KNOWN))


def disturb(model: Any) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in extension_of(model).named_parameters().values():  # type: ignore[union-attr]
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def make_vae(kind: str) -> Any:
    import diffusers

    channels = {"block_out_channels": (8, 8, 8, 8)}
    if kind == "wan":
        return diffusers.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    if kind == "hunyuan_video":
        return diffusers.AutoencoderKLHunyuanVideo(
            latent_channels=4, layers_per_block=1, norm_num_groups=4, mid_block_add_attention=False, **channels
        )
    if kind == "ltx":
        ones = (1, 1, 1, 1, 1)
        return diffusers.AutoencoderKLLTXVideo(
            latent_channels=4, layers_per_block=ones, decoder_layers_per_block=ones,
            decoder_block_out_channels=(8, 8, 8, 8), **channels,
        )  # fmt: skip
    down, up = ("CogVideoXDownBlock3D",) * 4, ("CogVideoXUpBlock3D",) * 4
    return diffusers.AutoencoderKLCogVideoX(
        latent_channels=4, layers_per_block=1, norm_num_groups=2, down_block_types=down, up_block_types=up, **channels
    )


def make_pipeline(kind: str, transformer: Any) -> Any:
    import diffusers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        vae = make_vae(kind).eval()
    parts = {"transformer": transformer, "vae": vae, "text_encoder": None, "tokenizer": None}
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    if kind == "wan":
        pipeline = diffusers.WanPipeline(scheduler=flow, **parts)
    elif kind == "hunyuan_video":
        pipeline = diffusers.HunyuanVideoPipeline(scheduler=flow, text_encoder_2=None, tokenizer_2=None, **parts)
    elif kind == "ltx":
        shifted = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
        pipeline = diffusers.LTXPipeline(scheduler=shifted, **parts)
    else:
        pipeline = diffusers.CogVideoXPipeline(
            scheduler=diffusers.CogVideoXDDIMScheduler(prediction_type="v_prediction"), **parts
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(kind: str, pipeline: Any, rows: int) -> Tensor:
    """Frames (frames, channels, height, width) of a clip of two steps, with guidance."""
    generator = torch.Generator().manual_seed(2)
    words, none = (torch.randn(1, 4, 16, generator=generator) for _ in range(2))
    mask = torch.tensor([[1, 1, 1, 0]])
    given: dict[str, Any] = {"prompt_embeds": words, "negative_prompt_embeds": none}
    if kind == "hunyuan_video":
        pooled = torch.randn(1, 8, generator=generator)
        given = {"prompt_embeds": words, "pooled_prompt_embeds": pooled, "prompt_attention_mask": mask}
    elif kind == "ltx":
        given |= {"prompt_attention_mask": mask, "negative_prompt_attention_mask": mask}
    height, width = (64, 96) if kind == "ltx" else (32, 48)
    return pipeline(
        num_frames=frames(kind, rows), height=height, width=width, num_inference_steps=2, generator=generator,
        output_type="pt", **given,
    ).frames[0]  # fmt: skip


def tiny(kind: str, make_transformer: Make) -> Any:
    return make_transformer(kind, **({"in_channels": 16, "out_channels": 16} if kind == "wan" else {}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stock_pipeline_samples_the_base_s_frames_at_its_length_and_longer_ones(
    make_transformer: Make, kind: str
) -> None:
    model = tiny(kind, make_transformer)
    pipeline = make_pipeline(kind, model)
    expected, beyond = sample(kind, pipeline, KNOWN), sample(kind, pipeline, LONG)
    assert len(expected) == frames(kind, KNOWN)
    extend(pipeline, config_for(kind))
    assert torch.equal(sample(kind, pipeline, KNOWN), expected)
    longer = sample(kind, pipeline, LONG)
    assert longer.shape == beyond.shape
    assert longer.isfinite().all()
    assert not torch.equal(longer, beyond)  # the positions are reflected
    disturb(model)
    assert not torch.equal(sample(kind, pipeline, KNOWN), expected)
    restore(pipeline)
    assert torch.equal(sample(kind, pipeline, LONG), beyond)


@pytest.mark.parametrize("offload_type", ["leaf_level", pytest.param("block_level", marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
def test_offloaded_in_groups_it_samples_the_same_and_is_not_taken_off_unsaid(
    make_transformer: Make, kind: str, offload_type: str
) -> None:
    model = tiny(kind, make_transformer)
    pipeline = make_pipeline(kind, model)
    extend(model, config_for(kind))
    disturb(model)
    expected = sample(kind, pipeline, LONG)
    of_blocks = {"num_blocks_per_group": 1} if offload_type == "block_level" else {}
    cpu = torch.device("cpu")
    model.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type=offload_type, **of_blocks)
    assert torch.equal(sample(kind, pipeline, LONG), expected)
    with pytest.raises(ValueError, match="runs through hooks of a library"):
        restore(model)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_keep_their_class_and_names_for_diffusers(make_transformer: Make, kind: str) -> None:
    model = tiny(kind, make_transformer)
    kinds = getattr(model, "_repeated_blocks", None) or ["CogVideoXBlock"]

    def blocks() -> dict[str, type]:
        return {name: type(module) for name, module in model.named_modules() if type(module).__name__ in kinds}

    plan = [name for name in getattr(model, "_cp_plan", None) or {} if name]
    base = blocks()
    assert base
    for level in ("position", "lora", "attention", "full"):
        extend(model, config_for(kind, level))
        assert blocks() == base
        assert all(model.get_submodule(name) is not None for name in plan)
        restore(model)


@pytest.mark.parametrize("kind", ["wan", "hunyuan_video", "ltx"])
def test_as_many_blocks_are_compiled_as_of_the_base(
    make_transformer: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for extended in (False, True):
        model = tiny(kind, make_transformer)
        if extended:
            extend(model, config_for(kind))
        compiled: list[str] = []
        with monkeypatch.context() as patch:
            patch.setattr(torch.nn.Module, "compile", lambda self, c=compiled, **_: c.append(type(self).__name__))
            model.compile_repeated_blocks(fullgraph=True)
        counts.append(compiled)
    assert counts[0] == counts[1]
    assert counts[0]


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_cache_of_the_first_block_finds_the_blocks(make_transformer: Make, call_transformer: Make, kind: str) -> None:
    from diffusers import FirstBlockCacheConfig

    model = make_transformer(kind)
    extend(model, config_for(kind))
    disturb(model)
    expected = call_transformer(model, LONG, [1])
    model.enable_cache(FirstBlockCacheConfig(threshold=0.5))
    with model.cache_context("test"):
        torch.testing.assert_close(call_transformer(model, LONG, [1]), expected, rtol=0, atol=1e-5)
        again = call_transformer(model, LONG, [1])
    assert again.isfinite().all()
    model.disable_cache()
    torch.testing.assert_close(call_transformer(model, LONG, [1]), expected, rtol=0, atol=1e-5)
    restore(model)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_model_under_hooks_of_diffusers_is_refused_with_the_way_out_and_a_cache_taken_off_can_be_put_on_again(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    from diffusers import FirstBlockCacheConfig

    def enable(model: Any) -> list[Tensor]:
        model.enable_cache(FirstBlockCacheConfig(threshold=1e9))  # whatever the first block says, the rest is left out
        with model.cache_context("test"):
            return [call_transformer(model, KNOWN, [clip]) for clip in (1, 2)]

    model, never_cached = make_transformer(kind), make_transformer(kind)
    enable(model)
    with pytest.raises(ValueError, match=r"runs through hooks of diffusers \(.*extend the model before.*disable_cache"):
        extend(model, config_for(kind))
    model.disable_cache()
    for one in (model, never_cached):
        extend(one, config_for(kind))
        disturb(one)
    assert model._diffusers_hook._child_registries_cache is None  # by which sites that are gone would be told
    cached = enable(never_cached)
    assert not torch.equal(cached[1], call_transformer(make_transformer(kind), KNOWN, [2]))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(enable(model), cached, strict=True))
    model.disable_cache()
    restore(model)
    cpu = torch.device("cpu")
    model.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    with pytest.raises(ValueError, match=r"runs through hooks of diffusers \(.*has to be loaded anew"):
        extend(model, config_for(kind))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_layerwise_casting_works_keeps_the_offsets_and_is_not_taken_off_unsaid(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    model = make_transformer(kind)
    extension = extend(model, config_for(kind))
    disturb(model)
    tables = {name: p.clone() for name, p in extension.named_parameters().items() if "angle_offsets" in name}
    expected = call_transformer(model, LONG, [1])
    model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    found = call_transformer(model, LONG, [1])
    assert found.isfinite().all()
    assert (found - expected).norm() < 0.5 * expected.norm()
    assert all(torch.equal(extension.named_parameters()[name], value) for name, value in tables.items())
    with pytest.raises(ValueError, match="runs through hooks of a library"):
        restore(model)


@torch.no_grad()
def test_positions_of_the_family_s_call_are_those_of_cogvideox_s_pipeline(make_transformer: Make) -> None:
    model = make_transformer("cogvideox")
    pipeline = make_pipeline("cogvideox", model)
    for height, width in ((8, 8), (4, 8), (8, 6)):
        theirs = pipeline._prepare_rotary_positional_embeddings(8 * height, 8 * width, LONG, torch.device("cpu"))
        ours = rotary_positions(model.config, torch.Size((1, LONG, 4, height, width)), torch.device("cpu"))
        assert ours is not None
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    of_2b = make_transformer("cogvideox-2b").config
    assert rotary_positions(of_2b, torch.Size((1, LONG, 4, 4, 4)), torch.device("cpu")) is None
