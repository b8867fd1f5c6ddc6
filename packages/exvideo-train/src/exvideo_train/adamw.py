"""The optimizer of a run: AdamW (arXiv 1711.05101), with decay for all that trains or for a part of it."""

from collections.abc import Collection, Mapping

import torch
from torch import nn

from exvideo_train.config import OptimizerSection


def make_optimizer(
    parameters: Mapping[str, nn.Parameter],
    undecayed: Collection[str],
    section: OptimizerSection,
    device: torch.device,
) -> torch.optim.AdamW:
    """AdamW over parameters, at a learning rate of 0, with one group of them or two.

    Args:
        parameters: those that train, by name.
        undecayed: names of those that get no weight decay.
        section: its settings.
        device: of the parameters.
    """
    parts = [
        ([parameter for name, parameter in parameters.items() if name not in undecayed], section.weight_decay),
        ([parameter for name, parameter in parameters.items() if name in undecayed], 0.0),
    ]
    groups = [{"params": members, "weight_decay": decay} for members, decay in parts if members]
    return torch.optim.AdamW(groups, lr=0.0, fused=is_fused(device))


def is_fused(device: torch.device) -> bool:
    """True where one kernel updates all parameters."""
    return device.type == "cuda"
