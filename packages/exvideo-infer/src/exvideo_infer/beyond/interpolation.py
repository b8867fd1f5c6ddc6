"""Frames between two: by RIFE where it is installed, else as linear mixtures."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from exvideo_infer.ranges import INTERPOLATORS

# (before, after, places) -> frames between, as `Rife.__call__` explains them
Interpolate = Callable[[Tensor, Tensor, Tensor], Tensor]

logger = logging.getLogger(__name__)


def resolve_interpolator(name: str) -> str:
    """The interpolator that a name comes to: "auto" is "rife" where the extra is installed, else "linear".

    Raises:
        ValueError: the name is none of `INTERPOLATORS`, or RIFE is asked for by name and cannot be had.
    """
    from exvideo_infer.beyond.rife import why_not

    if name not in INTERPOLATORS:
        raise ValueError(f"interpolator is {name!r}: choose from {', '.join(INTERPOLATORS)}.")
    if name == "linear":
        return name
    reason = why_not()
    if name == "auto":
        logger.info("The interpolator is %s.", "rife" if reason is None else f"linear, as {reason}")
        return "rife" if reason is None else "linear"
    if reason is not None:
        raise ValueError(f"interpolator is 'rife', and {reason}, or give \"linear\".")
    return name


def load_interpolator(name: str, device: torch.device | str = "cpu") -> Interpolate:
    """Loads an interpolator onto a device; raises ValueError as `resolve_interpolator`."""
    if resolve_interpolator(name) == "linear":
        return linear
    from exvideo_infer.beyond.rife import Rife

    return Rife(device)


def linear(before: Tensor, after: Tensor, places: Tensor) -> Tensor:
    """Mixtures: what moves is seen twice. Arguments as for `Rife.__call__`."""
    return torch.lerp(before, after, places.to(before).view(-1, 1, 1, 1))
