"""Low-rank updates of frozen weights (LoRA, arXiv 2106.09685), injected by peft."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.util import find_spec

import torch
from torch import nn


def check_peft() -> None:
    """Raises ValueError where peft is not installed."""
    if find_spec("peft") is None:
        raise ValueError("level='lora' needs peft, which is not installed: run pip install 'exvideo-blocks[lora]'.")


def inject_lora(module: nn.Module, linear_names: Sequence[str], rank: int) -> None:
    """Puts a low-rank update, scaled by 1, beside linear layers of `module`, in place, and freezes all else in it.

    Args:
        module: what holds the layers.
        linear_names: names of the layers within the module.
        rank: rank of each update.

    Raises:
        ValueError: peft is not installed.
    """
    check_peft()
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(linear_names))
    with torch.random.fork_rng(devices=[]):  # peft draws; `start_lora` replaces what it drew
        inject_adapter_in_model(config, module)


@torch.no_grad()
def start_lora(parameters: Mapping[str, nn.Parameter]) -> None:
    """Draws the first factor of every update among `parameters`, uniformly within 1 / sqrt(fan-in), as peft does.

    Each is a function of its name and shape alone, so that every process and every run starts from the same values.
    The second factor is zero, so the update is.
    """
    for name, parameter in parameters.items():
        if ".lora_A." in name:
            seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little") >> 1
            uniform = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(seed))
            parameter.copy_((2 * uniform - 1) / parameter.shape[1] ** 0.5)
