"""Random draws of a call, from the caller's generators."""

import torch
from torch import Tensor

Generators = torch.Generator | list[torch.Generator] | None  # one for all clips, or one each


def randn(shape: tuple[int, ...], generator: Generators, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal noise as diffusers draws it: on the generator's own device, then moved."""
    from diffusers.utils.torch_utils import randn_tensor

    noise: Tensor = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
    return noise


def check_generators(generator: Generators, batch_size: int) -> None:
    """Raises ValueError if a list of generators is not one a clip."""
    if isinstance(generator, list) and len(generator) != batch_size:
        raise ValueError(
            f"{len(generator)} generators were given for {batch_size} clips: give one for all, or one each."
        )
