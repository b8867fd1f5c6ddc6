"""Adapters of others, and methods of diffusers, on extended transformers: they work, or are refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, family_of, restore
from torch import Tensor

peft = pytest.importorskip("peft")

Make = Callable[..., Any]
KINDS = ("wan", "hunyuan_video", "ltx", "cogvideox", "cogvideox-2b")
KNOWN, LONG = 3, 5  # latent frames


def extended(model: Any, level: str) -> Extension:
    stride = family_of(model).LATENT_STRIDE
    config = ExtensionConfig((LONG - 1) * stride + 1, level, lora_rank=2, base_frames=(KNOWN - 1) * stride + 1)
    extension = extend(model, config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return extension


def add_style(model: Any) -> None:
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v", "to_out.0"]), "style")
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".style." in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("level", ["position", "lora", "attention"])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_style_lora_beside_it_adds_up_and_leaves_no_trace(
    make_transformer: Make, call_transformer: Make, kind: str, level: str
) -> None:
    model = make_transformer(kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extension = extended(model, level)
    trained = {name: value.clone() for name, value in extension.named_parameters().items()}

    def run() -> Tensor:
        output: Tensor = call_transformer(model, LONG, [1])
        return output

    plain = run()
    add_style(model)
    styled = run()
    assert (styled - plain).abs().max() > 1e-3
    assert all(p.requires_grad for p in extension.named_parameters().values())
    if level == "attention":
        with pytest.raises(ValueError, match="fuse_lora would add an adapter to"):
            model.fuse_lora()
    else:
        model.fuse_lora()
        torch.testing.assert_close(run(), styled, rtol=0, atol=1e-4)
        model.unfuse_lora()
    model.delete_adapters("style")
    model.unload_lora()
    torch.testing.assert_close(run(), plain, rtol=0, atol=1e-4)
    assert all(torch.equal(value, trained[name]) for name, value in extension.named_parameters().items())
    restore(model)
    after = model.state_dict()
    assert list(after) == list(before)
    sites = () if level == "position" else tuple(f"{name}." for name in extension.originals)
    for name, value in before.items():  # outside of the sites the weights are the base's own, and fusing rounds
        atol = 0 if name.startswith(sites) else 1e-6
        torch.testing.assert_close(after[name], value, rtol=0, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_adapters_on_the_blocks_of_a_base_are_refused_where_those_adapt_and_left_where_not(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    model = make_transformer(kind)
    add_style(model)
    styled = call_transformer(model, KNOWN, [1])
    with pytest.raises(ValueError, match="carries the adapters of peft"):
        extended(model, "lora")
    if not kind.startswith("cogvideox"):  # whose attention is another's at every level
        extended(model, "position")
        restore(model)
    assert torch.equal(call_transformer(model, KNOWN, [1]), styled)


@pytest.mark.parametrize("kind", KINDS)
def test_methods_that_would_break_it_are_refused(make_transformer: Make, tmp_path: Path, kind: str) -> None:
    model = make_transformer(kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extension = extended(model, "lora")
    with pytest.raises(ValueError, match="save_pretrained on an extended model"):
        model.save_pretrained(tmp_path / "extended")
    with pytest.raises(ValueError, match="fuse_qkv_projections on an extended model"):
        model.fuse_qkv_projections()
    with extension.disabled():
        model.save_pretrained(tmp_path / "base")
    again = type(model).from_pretrained(tmp_path / "base")
    assert all(torch.equal(again.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_offloaded_layer_by_layer_it_computes_the_same_and_is_not_taken_off_unsaid(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    from accelerate import cpu_offload

    model = make_transformer(kind)
    extended(model, "lora")
    expected = call_transformer(model, LONG, [1])
    cpu_offload(model, torch.device("cpu"))
    assert torch.equal(call_transformer(model, LONG, [1]), expected)
    with pytest.raises(ValueError, match="runs through hooks of a library"):
        restore(model)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_it_follows_a_model_that_is_cast_and_cast_back_while_it_waits(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    model, other = make_transformer(kind), make_transformer(kind).bfloat16()
    extension = extended(model, "lora")
    extension.disable()
    model.bfloat16()
    assert torch.equal(call_transformer(model, KNOWN, [1]), call_transformer(other, KNOWN, [1]))
    extension.enable()
    assert call_transformer(model, LONG, [1]).dtype == torch.bfloat16
    kept = [p for name, p in extension.named_parameters().items() if "angle_offsets" in name]
    assert all(p.dtype == torch.float32 for p in kept)
    restore(model)
    assert torch.equal(call_transformer(model, KNOWN, [1]), call_transformer(other, KNOWN, [1]))
