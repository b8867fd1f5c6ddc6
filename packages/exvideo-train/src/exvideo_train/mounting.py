"""The extension of a run, put on its base."""

from collections.abc import Mapping
from typing import Any

import torch
from exvideo_blocks import Extension, extend, lengthen
from exvideo_infer import mount_extension
from torch import nn

from exvideo_train.config import TrainConfig
from exvideo_train.data.fingerprint import fingerprint_of
from exvideo_train.errors import UserError


def mount(network: Any, config: TrainConfig) -> tuple[Extension, str | None]:
    """The extension, as the base or `init_from` gives it, and in that case a fingerprint of its weights.

    Raises:
        UserError: the base cannot be extended as asked; or `init_from` is missing, damaged, of another base, or not of
            the extension that is asked for.
    """
    if config.init_from is None:
        try:
            return extend(network, config.extension.mounted), None
        except ValueError as error:
            raise UserError(f"{config.base or 'The new base'} cannot be extended as asked: {error}") from error
    try:
        extension = mount_extension(network, config.init_from)
        _check_starts(extension, config)
        if extension.config.num_frames < config.extension.num_frames:
            extension = lengthen(network, config.extension.num_frames, config.extension.positions)
    except ValueError as error:
        raise UserError(f"init_from: {error}") from error
    return extension, fingerprint_of(sorted(extension.named_parameters().items()))


def _check_starts(extension: Extension, config: TrainConfig) -> None:
    wanted, found = config.extension, extension.config
    names = ("level", "frame_rate", *(("lora_rank",) if wanted.level == "lora" else ()))
    differing = [name for name in names if getattr(wanted, name) != getattr(found, name)]
    if found.num_frames > wanted.num_frames:
        differing.append("num_frames")
    if differing:
        told = ", ".join(f"{name} {getattr(found, name)}, not {getattr(wanted, name)}" for name in differing)
        raise ValueError(f"{config.init_from} is of {told}: set extension to what the file has.")


def trained_parameters(
    extension: Extension, network: Any, config: TrainConfig, context_tokens: int
) -> dict[str, nn.Parameter]:
    """The parameters to give to the optimizer, by name: the extension's, and all of a base that is made for the run.

    Args:
        context_tokens: as `Extension.trainable_parameters` takes them.
    """
    parameters = extension.trainable_parameters(context_tokens=context_tokens)
    if config.is_from_scratch:
        own = extension.named_parameters()
        parameters |= {name: p.requires_grad_() for name, p in network.named_parameters() if name not in own}
    return parameters


def undecayed_of(parameters: Mapping[str, nn.Parameter], extension: Extension) -> set[str]:
    """Names of trained parameters that are norms, biases and position tables."""
    own, matrices = extension.named_parameters(), extension.matrices()
    return {name for name, p in parameters.items() if (name not in matrices if name in own else p.ndim <= 1)}


def checkpoint_activations(network: Any, extension: Extension, config: TrainConfig) -> None:
    """Makes the network compute activations anew in the backward pass, as `engine.gradient_checkpointing` says.

    Raises:
        UserError: the family cannot do so in its temporal blocks alone.
    """
    if config.engine.gradient_checkpointing == "all":
        network.enable_gradient_checkpointing()
    if config.engine.gradient_checkpointing == "temporal":
        try:
            extension.set_temporal_checkpointing(True)
        except ValueError as error:
            raise UserError(f"engine.gradient_checkpointing: {error}") from error


def free_originals(extension: Extension, network: Any, device: torch.device) -> None:
    """Moves what the base had where the extension is now off the GPU: nothing of a run asks for it again."""
    if device.type == "cpu":
        return
    used = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
    for site in extension.originals.values():
        for tensor in site.state_dict(keep_vars=True).values():
            if id(tensor) not in used:
                tensor.data = tensor.data.to("cpu")
