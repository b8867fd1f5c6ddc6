"""Extending an extension again: a trained one of 40 frames becomes one of 80."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension, extension_of
from exvideo_blocks.layers import PositionTable
from exvideo_blocks.mount import extend, remount, restore


def lengthen(model: nn.Module, num_frames: int, positions: str | None = None) -> Extension:
    """Makes the extension mounted on `model` longer, in place, and keeps all that it learned.

    The rule that gave the frame tables their first rows is applied to the trained rows: "reflected" keeps them and
    runs back and forth over them, "interpolated" spreads them evenly, with weighted means in between. "continued" keeps
    them and starts the rows beyond from the base's own positions. The rules of rotary frequencies ("riflex", "ntk",
    "yarn") are those of the new length, and what was learned on top of the old ones stays on top. With "reflected" and
    "continued", the longer model computes what the shorter one computes for clips of up to the shorter one's length,
    if its frame rate is the clip's own: an interpolated one is that of the new length.

    Args:
        model: an extended model.
        num_frames: the new length, more than the present one.
        positions: one of `exvideo_blocks.positions.STARTS`; None takes the extension's own.

    Returns:
        The new extension of the same level, in the place of the old one, and enabled. The old one's parameters are not
        the model's any more: make a new optimizer.

    Raises:
        ValueError: the model is not extended, num_frames is not beyond its present length, or the positions are
            unknown. Then, and whatever else goes wrong, the model is as it was.
    """
    shorter = extension_of(model)
    if shorter is None:
        raise ValueError(f"This {type(model).__name__} is not extended: call extend(model, config) first.")
    known, positions = shorter.config.num_frames, positions or shorter.config.positions
    config = replace(shorter.config, num_frames=num_frames, positions=positions)
    if num_frames <= known:
        raise ValueError(
            f"num_frames={num_frames} does not lengthen an extension of {known} frames: ask for more than {known}."
        )
    fused = shorter.fused_copies()
    if fused:
        raise ValueError(
            f"Adapters were fused into {len(fused)} frozen weights of this extension ({fused[0]} is the first), which "
            "a longer one would not have: save the extension, restore the model, fuse them into it, and load it again."
        )
    was_enabled, trained = shorter.is_enabled, shorter.named_parameters()
    tables = _tables(shorter)
    shorter.enable()  # it goes to where the model is now
    restore(model)
    try:
        longer = _extend_from(model, config, trained, tables)
    except BaseException:
        if extension_of(model) is not None:
            restore(model)
        remount(shorter)
        if not was_enabled:
            shorter.disable()
        raise
    for name, parameter in model.named_parameters():  # adapters of others that came since, and train
        if longer.required_grad.get(name) and name not in shorter.required_grad:
            parameter.requires_grad_(True)
    return longer


def _extend_from(
    model: nn.Module,
    config: ExtensionConfig,
    trained: Mapping[str, nn.Parameter],
    tables: Mapping[str, PositionTable],
) -> Extension:
    longer = extend(model, config)
    longer_tables = _tables(longer)
    with torch.no_grad():
        for name, parameter in longer.named_parameters().items():
            if name in longer_tables:
                longer_tables[name].start_from(tables[name], config.positions)
            else:
                parameter.data = trained[name].detach()
    return longer


def _tables(extension: Extension) -> dict[str, PositionTable]:
    """The extension's tables of positions, by the name of their parameter."""
    return {
        f"{site_name}.{name}.weight": module
        for site_name, site in extension.sites().items()
        for name, module in site.named_modules()
        if isinstance(module, PositionTable)
    }
