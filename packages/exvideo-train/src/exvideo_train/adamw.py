"""The optimizer of a run: AdamW (arXiv 1711.05101) by kind, and its state as the rest of the trainer sees it.

Of a trained tensor that is "exp_avg" and "exp_avg_sq", the moments, fp32 or 8 bits; "ema", fp32, which rides along; and
"step", the count of updates.
"""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from exvideo_train.config import OptimizerSection
from exvideo_train.moments import BLOCK, Moment, QuantizedMoment

MOMENTS = ("exp_avg", "exp_avg_sq")
SMALLEST_IN_8_BITS = 4096  # numbers of a tensor: bitsandbytes keeps the moments of smaller ones in fp32


def make_optimizer(
    parameters: Mapping[str, nn.Parameter],
    undecayed: Collection[str],
    section: OptimizerSection,
    device: torch.device,
) -> torch.optim.Optimizer:
    """AdamW over parameters, at a learning rate of 0, with one group of them or two.

    Args:
        parameters: those that train, by name.
        undecayed: names of those that get no weight decay.
        section: its settings.
        device: where the optimizer will run.
    """
    parts = [
        ([parameter for name, parameter in parameters.items() if name not in undecayed], section.weight_decay),
        ([parameter for name, parameter in parameters.items() if name in undecayed], 0.0),
    ]
    groups = [{"params": members, "weight_decay": decay} for members, decay in parts if members]
    if section.kind == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit

        made: torch.optim.Optimizer = AdamW8bit(groups, lr=0.0, min_8bit_size=SMALLEST_IN_8_BITS)
        return made
    return torch.optim.AdamW(groups, lr=0.0, fused=section.kind == "adamw_fused" or device.type == "cuda")


def create_state(optimizer: torch.optim.Optimizer, masters: list[Tensor]) -> None:
    """Makes the state of some masters, zeros, which AdamW would make at the first step, too late to be written to."""
    for master in masters:
        state = optimizer.state[master]
        if isinstance(optimizer, torch.optim.AdamW):
            fused = optimizer.defaults["fused"]
            state["step"] = torch.tensor(0.0, device=master.device if fused else "cpu")
            state |= {kind: torch.zeros_like(master.detach()) for kind in MOMENTS}
        else:
            optimizer.init_state(optimizer.param_groups[0], master, 0, 0)  # type: ignore[attr-defined] # bitsandbytes
        state["ema"] = torch.zeros_like(master.detach())


def read_state(state: Mapping[str, Any], kind: str) -> Moment:
    """One of `MOMENTS` or "ema", from a tensor's state in an optimizer; what it returns is the state itself."""
    if kind in state:
        tensor: Tensor = state[kind]
        return tensor
    place = 1 + MOMENTS.index(kind)  # as bitsandbytes names them
    moment: Tensor = state[f"state{place}"]
    if moment.dtype == torch.float32:
        return moment
    return QuantizedMoment(moment, state[f"absmax{place}"], state[f"qmap{place}"])


def moment_bytes(kind: str, numbers: int) -> int:
    """Bytes of the two moments of a tensor of so many numbers, under `optimizer.kind`."""
    if kind != "adamw_8bit" or numbers < SMALLEST_IN_8_BITS:
        return 8 * numbers
    return 2 * (numbers + 4 * -(-numbers // BLOCK))


def steps_made(state: Mapping[str, Any]) -> int:
    """Updates made, by the state of a tensor."""
    return int(state["step"])


def set_steps_made(state: dict[str, Any], value: int) -> None:
    """The inverse of `steps_made`."""
    if isinstance(state["step"], Tensor):
        state["step"].fill_(value)
    else:
        state["step"] = value
