"""Extended models and style LoRAs, and the cells that they are tried in."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import LEVELS, Extension
from torch import Tensor, nn

MakeBase = Callable[[str, torch.dtype], Any]
FAMILIES = ("svd", "animatediff")
CELLS = list(itertools.product(FAMILIES, LEVELS))
FEW_CELLS = [
    pytest.param(family, level, marks=() if level in ("full", "lora") else pytest.mark.long) for family, level in CELLS
]
LINEARS = {
    "everywhere": lambda name: name.endswith(("to_q", "to_v")),
    "spatial": lambda name: name.endswith(("to_q", "to_v")) and "motion" not in name and "temporal" not in name,
}
FLOAT8 = torch.float8_e4m3fn
Extended = Callable[[str, str], tuple[Any, Extension, dict[str, Tensor]]]


def run(model: Any, frames: int = 6) -> Tensor:
    family = "svd" if type(model).__name__ == "UNetSpatioTemporalConditionModel" else "animatediff"
    generator = torch.Generator().manual_seed(1)
    dtype = next(p.dtype for p in model.parameters() if p.dtype != FLOAT8)
    sample = torch.randn(1, frames, 8 if family == "svd" else 4, 4, 6, generator=generator).to(dtype)
    context = torch.randn(1, 1, 32, generator=generator).to(dtype)
    with torch.no_grad():
        if family == "svd":
            return model(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]]).to(dtype)).sample
        return model(sample.transpose(1, 2), torch.tensor(7), context.repeat(frames, 1, 1)).sample


def disturb(extension: Extension) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def bits(model: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first
    )


def style(model: nn.Module, where: str = "everywhere") -> dict[str, Tensor]:
    """The tensors of a LoRA of rank 2 for some layers of a model, in the names of diffusers."""
    generator, tensors = torch.Generator().manual_seed(2), {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and LINEARS[where](name):
            tensors[f"{name}.lora_A.weight"] = torch.randn(2, module.in_features, generator=generator)
            tensors[f"{name}.lora_B.weight"] = 0.1 * torch.randn(module.out_features, 2, generator=generator)
    return tensors


@torch.no_grad()
def with_style(model: Any, tensors: dict[str, Tensor]) -> Tensor:
    """The output of a model with a LoRA: computed on this model, whose weights it is added to; to be thrown away."""
    for key in tensors:
        if ".lora_A." in key:
            name = key.removesuffix(".lora_A.weight")
            layer = model.get_submodule(name)
            layer.weight.data += tensors[f"{name}.lora_B.weight"] @ tensors[key]
    return run(model)


def put(model: Any, tensors: dict[str, Tensor], name: str = "mine") -> None:
    """A LoRA beside a model's weights: diffusers' way where the class has it, else peft's own."""
    if hasattr(type(model), "load_lora_adapter"):
        model.load_lora_adapter(dict(tensors), prefix=None, adapter_name=name)
        return
    import peft

    layers = [key.removesuffix(".lora_A.weight") for key in tensors if ".lora_A." in key]
    config = peft.LoraConfig(r=2, lora_alpha=2, target_modules=layers)
    peft.inject_adapter_in_model(config, model, name)
    peft.set_peft_model_state_dict(model, dict(tensors), adapter_name=name)


def layers_of_peft(model: nn.Module) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


def unload(model: nn.Module) -> None:
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    recurse_remove_peft_layers(model)
    if hasattr(model, "peft_config"):
        del model.peft_config
    model._hf_peft_config_loaded = False


close = {"rtol": 1e-4, "atol": 2e-5}
