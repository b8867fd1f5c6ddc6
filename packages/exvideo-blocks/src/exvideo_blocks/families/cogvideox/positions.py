"""The rotary positions that a CogVideoX transformer is given, and their turn on the way in."""

from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.rotary import turned_columns

_ARGUMENT, _AT = "image_rotary_emb", 5  # name and place in the transformer's forward pass


def turn_given_positions(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Arguments of an extended transformer's forward pass, with the positions turned by its offsets.

    Args:
        model: an extended CogVideoXTransformer3DModel.
        args, kwargs: as they were given.

    Raises:
        ValueError: more frames than the extension has.
    """
    given = args[_AT] if len(args) > _AT else kwargs.get(_ARGUMENT)
    offsets = getattr(model.patch_embed, "angle_offsets", None)
    if given is None or offsets is None:
        return args, kwargs
    latents = args[0] if args else kwargs["hidden_states"]
    cos, sin = given
    positions = turned_columns(cos, sin, offsets(latents.shape[1], cos.device), token_axis=0)
    if len(args) > _AT:
        return (*args[:_AT], positions, *args[_AT + 1 :]), kwargs
    return args, kwargs | {_ARGUMENT: positions}


def rotary_positions(config: Any, shape: torch.Size, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Cosines and sines, each (tokens, columns), as CogVideoXPipeline gives them; None of a model that takes none.

    Args:
        config: the transformer's.
        shape: of latents, (batch, frames, channels, height, width).
        device: of the result.
    """
    if not config.use_rotary_positional_embeddings:
        return None
    from diffusers.models.embeddings import get_3d_rotary_pos_embed
    from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

    patch, grid = config.patch_size, (shape[3] // config.patch_size, shape[4] // config.patch_size)
    crop = get_resize_crop_region_for_grid(grid, config.sample_width // patch, config.sample_height // patch)
    positions: tuple[Tensor, Tensor] = get_3d_rotary_pos_embed(
        config.attention_head_dim, crop, grid, shape[1], device=device
    )
    return positions
