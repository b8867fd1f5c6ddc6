"""The kinds of video model that can be extended, one file each."""

from types import ModuleType

from torch import nn

from exvideo_blocks.families import svd

FAMILIES: dict[str, ModuleType] = {svd.NAME: svd}


def family_of(model: nn.Module) -> ModuleType:
    """The family that a model belongs to.

    Raises:
        TypeError: no family knows this class.
    """
    for family in FAMILIES.values():
        if family.matches(model):
            return family
    known = ", ".join(family.MODEL_CLASS for family in FAMILIES.values())
    raise TypeError(f"{type(model).__name__} cannot be extended; pass one of: {known}.")
