"""The frame rate that an extended Stable Video Diffusion is told, on its way in."""

from typing import Any

import torch
from torch import Tensor

TOLD_LESS = 1  # Stable Video Diffusion is told the rate less one
_ARGUMENT, _AT = "added_time_ids", 3  # name and place in the UNet's forward pass


def tell_frame_rate(share: float, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Arguments of a UNet's forward pass, with a share of the frame rate.

    Args:
        share: of the rate that was given.
        model: a UNetSpatioTemporalConditionModel.
        args, kwargs: as they were given.
    """
    given = args[_AT] if len(args) > _AT else kwargs.get(_ARGUMENT)
    if given is None:
        return args, kwargs
    told = share_of_rate(given, share)
    if len(args) > _AT:
        return (*args[:_AT], told, *args[_AT + 1 :]), kwargs
    return args, kwargs | {_ARGUMENT: told}


def share_of_rate(time_ids: Tensor, share: float) -> Tensor:
    """The numbers that the UNet is told, with a share of the frame rate.

    Args:
        time_ids: (batch, 3): frames a second less one, motion bucket, noise on the first frame.
        share: above 0.

    Returns:
        The same, but for `share` times the frames a second, less one; in the dtype given.
    """
    rate, others = time_ids[:, :1].float() + TOLD_LESS, time_ids[:, 1:]
    return torch.cat([(rate * share - TOLD_LESS).to(time_ids.dtype), others], dim=1)
