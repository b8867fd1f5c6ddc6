"""The level lora: low-rank updates, apart from the adapters of peft."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, load_extension, restore, save_extension

MakeUnet = Callable[..., Any]


@pytest.mark.parametrize("level", ["lora"])
def test_the_updates_are_those_of_the_attention_along_frames(tiny_unet: MakeUnet, level: str) -> None:
    extension = extend(tiny_unet(), ExtensionConfig(num_frames=12, level=level, lora_rank=3))
    parameters = extension.named_parameters()
    kinds = {name.split(".temporal_transformer_blocks.0.")[-1] for name in parameters if "mid_block" in name}
    parts = ["to_q", "to_k", "to_v", "to_out.0"]
    assert {kind for kind in kinds if "lora" in kind} == {
        f"attn1.{part}.lora_{factor}.default.weight" for part in parts for factor in "AB"
    }
    norms = {f"{norm}.{what}" for norm in ("norm_in", "norm1", "norm2", "norm3") for what in ("weight", "bias")}
    assert {kind for kind in kinds if "lora" not in kind} == norms | {"mid_block.attentions.0.frame_table.weight"}
    assert all(p.shape[0] == 3 for name, p in parameters.items() if "lora_A" in name)


@pytest.mark.parametrize("level", ["lora"])
def test_every_run_starts_from_the_same_values_and_draws_nothing(tiny_unet: MakeUnet, level: str) -> None:
    config = ExtensionConfig(num_frames=12, level=level)
    torch.manual_seed(1)
    first = extend(tiny_unet(), config).named_parameters()
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(2)
    second = extend(tiny_unet(), config).named_parameters()
    assert all(torch.equal(first[name], second[name]) for name in first)
    factors = [value.detach() for name, value in first.items() if "lora_A" in name and value.shape == (16, 32)]
    assert len({float(value[0, 0]) for value in factors}) == len(factors)  # yet not all alike
    bound = 32**-0.5
    assert 0.9 * bound < max(float(value.abs().max()) for value in factors) <= bound


@pytest.mark.parametrize("level", ["lora"])
def test_another_rank_is_saved_and_loaded(tiny_unet: MakeUnet, tmp_path: Path, level: str) -> None:
    save_extension(
        extend(tiny_unet(), ExtensionConfig(num_frames=12, level=level, lora_rank=5)), tmp_path / "e.safetensors"
    )
    unet = tiny_unet()
    assert load_extension(unet, tmp_path / "e.safetensors").config.lora_rank == 5
    restore(unet)
    assert list(unet.state_dict()) == list(tiny_unet().state_dict())


def test_it_needs_no_peft_and_computes_what_a_layer_of_peft_computes(tiny_unet: MakeUnet) -> None:
    from exvideo_blocks.lora import LowRankLinear

    peft = pytest.importorskip("peft")
    unet = tiny_unet()
    extension = extend(unet, ExtensionConfig(num_frames=12, level="lora", lora_rank=4))
    with torch.no_grad():
        for name, parameter in extension.named_parameters().items():
            if ".lora_B." in name:
                parameter.normal_()
    layers = {name: layer for name, layer in unet.named_modules() if isinstance(layer, LowRankLinear)}
    assert layers
    for name, layer in layers.items():
        linear = torch.nn.ModuleDict({"linear": torch.nn.Linear(layer.in_features, layer.out_features)})
        linear["linear"].load_state_dict(
            {k: v for k, v in layer.state_dict().items() if k in ("weight", "bias")}, False
        )
        if layer.bias is None:
            linear["linear"].bias = None
        peft.inject_adapter_in_model(peft.LoraConfig(r=4, lora_alpha=4, target_modules=["linear"]), linear)
        named = {"A": layer.update_down, "B": layer.update_up}
        for factor, value in named.items():
            assert value is extension.named_parameters()[f"{name}.lora_{factor}.default.weight"]
            getattr(linear["linear"], f"lora_{factor}")["default"].weight.data = value.detach()
        x = torch.randn(3, 5, layer.in_features)
        assert torch.equal(layer(x), linear["linear"](x))
