"""The level lora: low-rank updates that peft injects."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, check_extends, extend, extension_of, load_extension, restore, save_extension

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
    assert torch.equal(torch.rand(1), after)  # peft draws at random, but leaves the state as it was
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


def test_without_peft_the_error_says_what_to_install(tiny_unet: MakeUnet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    unet, config = tiny_unet(), ExtensionConfig(num_frames=12, level="lora")
    for function in (check_extends, extend):
        with pytest.raises(ValueError, match=r"needs peft, which is not installed: run pip install 'exvideo-blocks\[l"):
            function(unet, config)
    assert extension_of(unet) is None
    assert all(parameter.requires_grad for parameter in unet.parameters())
