"""The motion modules of AnimateDiff (arXiv 2307.04725), and their extended stand-ins."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_blocks.families.family import check_class, check_unfused, plain_architecture
from exvideo_blocks.layers import BorrowedLinear, FrameTable, FrozenLinear, IdentityConv3d
from exvideo_blocks.levels import LEVELS, Level
from exvideo_blocks.lora import add_updates
from exvideo_blocks.positions import position_ids
from exvideo_blocks.twins import twin_of, twin_with_own

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig

# Frames that the published motion modules were trained at. No config says so: `motion_max_seq_length` is the number of
# rows in the stored position table, 24 or 32, of which the last were never trained with. ExtensionConfig.base_frames
# overrules it.
TRAINED_FRAMES = 16

# Neither the latent size nor the rows of the stored table, which the extension replaces, decide which weights fit.
_NOT_ARCHITECTURE = {"sample_size", "motion_max_seq_length"}

# Both attentions of a motion module are along frames.
_SELF_ATTENTIONS = ("attn1", "attn2")
_LORA_TARGETS = tuple(f"{attn}.{part}" for attn in _SELF_ATTENTIONS for part in ("to_q", "to_k", "to_v", "to_out.0"))
_TABLES = ("frame_table1", "frame_table2")


def model_class() -> type[nn.Module]:
    """diffusers' UNetMotionModel."""
    from diffusers import UNetMotionModel

    return UNetMotionModel


def base_frames(model: Any) -> int:
    """16, or the rows of the stored position table if there are fewer."""
    return min(TRAINED_FRAMES, int(model.config.motion_max_seq_length))


def can_run(model: Any, num_frames: int) -> bool:
    """True up to the rows of the stored position table."""
    return num_frames <= int(model.config.motion_max_seq_length)


def architecture(model: Any) -> dict[str, Any]:
    """The part of the model's config that decides whether an extension's tensors fit, as plain JSON values."""
    return plain_architecture(model.config, _NOT_ARCHITECTURE)


def find_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Every motion module by its name in the model, in the model's order."""
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    return {name: site for name, site in model.named_modules() if isinstance(site, AnimateDiffTransformer3D)}


def extended_site(site: Any, config: "ExtensionConfig", known_frames: int) -> nn.Module:
    """An extended stand-in for one motion module. The module itself is left as it was.

    Frozen parameters are shared with the module; those that the level trains are copies. Unlike the base's, it can
    checkpoint its blocks, and does where the rest of the model does.

    Raises:
        ValueError: the module or a block of it is of a class that computes something else.
    """
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    from exvideo_blocks.families.animatediff.block import ExtendedAnimateDiffTransformer3D, ExtendedMotionBlocks

    check_class(site, AnimateDiffTransformer3D)
    level = LEVELS[config.level]
    ids = position_ids(config.positions, known_frames, config.num_frames, "AnimateDiff")
    extended = twin_of(site, ExtendedAnimateDiffTransformer3D)
    # diffusers sets this on every module that has it, and the base's motion modules do not.
    extended.gradient_checkpointing = getattr(site, "gradient_checkpointing", False)
    for name, kind in (("proj_in", FrozenLinear), ("proj_out", BorrowedLinear)):
        if type(site.get_submodule(name)) is nn.Linear:
            extended.register_module(name, twin_of(site.get_submodule(name), kind))
    extended.transformer_blocks = ExtendedMotionBlocks(
        _extended_block(block, level, config.lora_rank, ids) for block in site.transformer_blocks
    )
    extended.identity_conv = None
    if level.identity_conv:
        weight, depthwise = site.proj_in.weight, level.identity_conv == "depthwise"
        extended.identity_conv = IdentityConv3d(
            site.proj_in.out_features, depthwise=depthwise, device=weight.device, dtype=weight.dtype
        )
    return extended


def _extended_block(block: Any, level: Level, lora_rank: int, ids: list[float]) -> nn.Module:
    from diffusers.models.attention import BasicTransformerBlock

    from exvideo_blocks.families.animatediff.block import ExtendedMotionBlock

    check_class(block, BasicTransformerBlock)
    for attention in (block.attn1, block.attn2):
        check_unfused(attention)
    own = twin_with_own(block, lambda name: level.trains_in_block(name, _SELF_ATTENTIONS))
    extended = twin_of(own, ExtendedMotionBlock)
    for table in _TABLES:
        extended.add_module(table, FrameTable(position_rows(block.pos_embed.pe[0], ids)))
    if level.lora:
        add_updates(extended, _LORA_TARGETS, lora_rank)
    return extended


def position_rows(stored: Tensor, ids: list[float]) -> Tensor:
    """The base's positional embedding at any positions.

    Args:
        stored: (rows, channels), the base's own table.
        ids: positions, in frames.

    Returns:
        (positions, channels): the stored rows where there are such, else computed as the base computed them, sine and
        cosine interleaved. Type and device are those of `stored`.
    """
    channels = stored.shape[1]
    frequencies = torch.exp(torch.arange(0, channels, 2, dtype=torch.float32) * (-math.log(10000.0) / channels))
    angles = torch.tensor(ids, dtype=torch.float32)[:, None] * frequencies
    rows = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(stored)
    known = [(row, int(position)) for row, position in enumerate(ids) if position in range(len(stored))]
    rows[[row for row, _ in known]] = stored[[position for _, position in known]]
    return rows


def adapted_names(site: Any, level_name: str) -> list[str]:
    """Names, within an extended motion module, of the parameters that the level adapts."""
    level = LEVELS[level_name]

    def is_adapted(name: str) -> bool:
        part, _, rest = name.partition(".")
        if part != "transformer_blocks":
            return part == "identity_conv"
        inner = rest.partition(".")[2]
        return inner.startswith(_TABLES) or level.trains_in_block(inner, _SELF_ATTENTIONS)

    return [name for name, _ in site.named_parameters() if is_adapted(name)]


def dead_names(names: Iterable[str], context_tokens: int | None) -> list[str]:
    """None: a motion module attends to frames alone, whatever the model is conditioned on."""
    return []
