"""Low-rank updates of frozen weights (LoRA, arXiv 2106.09685), apart from the adapters that peft keeps on a model."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exvideo_blocks.layers import BorrowedLinear
from exvideo_blocks.twins import twin_of

# Parameters of a layer -> in files. These are the names that peft gives: files had them before the layer was our own.
_STORED = {"update_down": "lora_A.default.weight", "update_up": "lora_B.default.weight"}


class LowRankLinear(BorrowedLinear):
    """A frozen linear layer W with an update of low rank, W x + B A x (equation 3, at a scale of 1).

    Its class and its names are none that peft knows, so that adapters loaded, fused and deleted beside an extension
    leave it alone; peft may put adapters of its own around it.

    Attributes:
        update_down: A, (rank, in_features).
        update_up: B, (out_features, rank).
    """

    update_down: nn.Parameter
    update_up: nn.Parameter

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        update = F.linear(F.linear(input.to(self.update_down.dtype), self.update_down), self.update_up)
        return (output + update).to(output.dtype)


def add_updates(module: nn.Module, linear_names: Sequence[str], rank: int) -> None:
    """Puts a low-rank update beside linear layers of `module`, in place. `start_lora` gives the values.

    Args:
        module: a twin of what holds the layers.
        linear_names: names of the layers within the module.
        rank: rank of each update.
    """
    for name in linear_names:
        parent, _, attribute = name.rpartition(".")
        linear = module.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        layer = twin_of(linear, LowRankLinear)
        weight = layer._parameters["weight"]
        for factor, shape in (("down", (rank, linear.in_features)), ("up", (linear.out_features, rank))):
            zeros = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
            layer.register_parameter(f"update_{factor}", nn.Parameter(zeros))
        module.get_submodule(parent).register_module(attribute, layer)


def stored_name(name: str) -> str:
    """The name in files of a parameter: its own in the model, but for updates."""
    before, _, last = name.rpartition(".")
    return f"{before}.{_STORED[last]}" if last in _STORED else name


@torch.no_grad()
def start_lora(parameters: Mapping[str, nn.Parameter]) -> None:
    """Draws the first factor of every update among `parameters`, uniformly within 1 / sqrt(fan-in), as peft does.

    Each is a function of its name (in files) and shape alone, so that every process and every run starts from the same
    values. The second factor is zero, so the update is.
    """
    for name, parameter in parameters.items():
        if ".lora_A." in name:
            seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little") >> 1
            uniform = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(seed))
            parameter.copy_((2 * uniform - 1) / parameter.shape[1] ** 0.5)
