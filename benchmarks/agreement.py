"""Contenders must compute the same thing, or their times mean nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor

# Of the largest value: rounding, summed over the layers of a network.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}


def agree(outputs: Mapping[str, Tensor]) -> None:
    """Compares every contender's output with the first one's.

    Raises:
        RuntimeError: two differ by more than rounding, or the first one's output is constant.
    """
    (name, reference), *others = outputs.items()
    scale = float(reference.float().abs().max())
    if not reference.float().std() > 0:
        raise RuntimeError(f"The output of {name!r} is constant: nothing can be compared with it.")
    for other, output in others:
        difference = float((output.float() - reference.float()).abs().max())
        if not difference <= TOLERANCE[reference.dtype] * scale:
            raise RuntimeError(f"{other!r} and {name!r} differ by {difference:.2g} where values reach {scale:.2g}.")
