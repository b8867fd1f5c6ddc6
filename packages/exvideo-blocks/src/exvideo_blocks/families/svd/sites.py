"""The temporal sites of Stable Video Diffusion, and their extended stand-ins (ExVideo, arXiv 2406.14130, section 3)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from exvideo_blocks.families.family import check_class, check_processor, check_unfused, plain_architecture
from exvideo_blocks.layers import BorrowedLinear, FrameTable, FrozenLinear, IdentityConv3d
from exvideo_blocks.levels import LEVELS, Level
from exvideo_blocks.lora import add_updates
from exvideo_blocks.positions import position_ids
from exvideo_blocks.twins import twin_of, twin_with_own

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig

# Any weights of the family fit any latent size.
_NOT_ARCHITECTURE = {"sample_size"}

BLOCKS = "temporal_transformer_blocks"
# The attention along frames; attn2 attends to the conditioning.
_SELF_ATTENTIONS = ("attn1",)
_LORA_TARGETS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0")


def model_class() -> type[nn.Module]:
    """diffusers' UNetSpatioTemporalConditionModel."""
    from diffusers import UNetSpatioTemporalConditionModel

    return UNetSpatioTemporalConditionModel


def base_frames(model: Any) -> int:
    """Frames that the base model was trained at."""
    return int(model.config.num_frames)


def can_run(model: Any, num_frames: int) -> bool:
    """True: positions are computed for any length."""
    return True


def architecture(model: Any) -> dict[str, Any]:
    """The part of the model's config that decides whether an extension's tensors fit, as plain JSON values."""
    return plain_architecture(model.config, _NOT_ARCHITECTURE)


def find_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Every temporal site by its name in the model, in the model's order."""
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    return {name: site for name, site in model.named_modules() if isinstance(site, TransformerSpatioTemporalModel)}


def extended_site(site: Any, config: "ExtensionConfig", known_frames: int) -> nn.Module:
    """An extended stand-in for one temporal site. The site itself is left as it was.

    Frozen submodules are shared with the site; those that the level trains are copies, so that taking the extension
    off gives the original weights back whatever training did. It computes the temporal attentions itself, whatever
    attention processor is set, here or later.

    Raises:
        ValueError: the site, a temporal block or its attention processor is of a class that computes something else.
    """
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    from exvideo_blocks.families.svd.block import ExtendedTransformerSpatioTemporalModel

    check_class(site, TransformerSpatioTemporalModel)
    level = LEVELS[config.level]
    extended = twin_of(site, ExtendedTransformerSpatioTemporalModel)
    extended.time_pos_embed = twin_with_own(site.time_pos_embed, lambda _: level.blocks)
    for name, kind in (("proj_in", FrozenLinear), ("proj_out", BorrowedLinear)):
        if type(site.get_submodule(name)) is nn.Linear:
            extended.register_module(name, twin_of(site.get_submodule(name), kind))
    extended.temporal_transformer_blocks = nn.ModuleList(
        _extended_block(block, level, config.lora_rank) for block in site.temporal_transformer_blocks
    )

    weight = site.proj_in.weight
    ids = position_ids(config.positions, known_frames, config.num_frames, "Stable Video Diffusion")
    positions = torch.tensor(ids, dtype=torch.float32, device=weight.device)
    extended.frame_table = FrameTable(site.time_proj(positions).to(weight.dtype))
    extended.identity_convs = None
    if level.identity_conv:
        depthwise = level.identity_conv == "depthwise"
        extended.identity_convs = nn.ModuleList(
            IdentityConv3d(site.in_channels, depthwise=depthwise, device=weight.device, dtype=weight.dtype)
            for _ in site.temporal_transformer_blocks
        )
    return extended


def _extended_block(block: Any, level: Level, lora_rank: int) -> nn.Module:
    from diffusers.models.attention import TemporalBasicTransformerBlock
    from diffusers.models.attention_processor import Attention

    from exvideo_blocks.families.svd.block import PlainAttention, TokenMajorTemporalBlock

    check_class(block, TemporalBasicTransformerBlock)
    for attention in (block.attn1, block.attn2):
        if attention is not None:
            check_unfused(attention)
            check_processor(attention.processor)
    own = twin_with_own(block, lambda name: level.trains_in_block(name, _SELF_ATTENTIONS))
    extended = twin_of(own, TokenMajorTemporalBlock)
    for name in ("attn1", "attn2"):
        if getattr(block, name) is not None:
            check_class(getattr(block, name), Attention)
            extended.register_module(name, twin_of(getattr(own, name), PlainAttention))
    if level.lora:
        add_updates(extended, _LORA_TARGETS, lora_rank)
    return extended


def adapted_names(site: Any, level_name: str) -> list[str]:
    """Names, within an extended site, of the parameters that the level adapts: they train, and a file holds them."""
    level = LEVELS[level_name]

    def is_adapted(name: str) -> bool:
        part, _, rest = name.partition(".")
        if part == BLOCKS:
            return level.trains_in_block(rest.partition(".")[2], _SELF_ATTENTIONS)
        return part in ("frame_table", "identity_convs") or (part == "time_pos_embed" and level.blocks)

    return [name for name, _ in site.named_parameters() if is_adapted(name)]


def dead_names(names: Iterable[str], context_tokens: int | None) -> list[str]:
    """The parameters whose gradient is zero when the model is conditioned on so many tokens.

    Attention over one token has softmax 1 whatever the query and key are, so nothing before the softmax can learn.
    """
    parts = (".norm2.", ".attn2.to_q.", ".attn2.to_k.")
    is_dead = context_tokens == 1
    return [name for name in names if is_dead and BLOCKS in name and any(part in name for part in parts)]
