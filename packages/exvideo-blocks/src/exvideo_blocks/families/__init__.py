"""The kinds of video model that can be extended, one file each."""

from torch import nn

from exvideo_blocks.families import animatediff, svd
from exvideo_blocks.families.family import Family

FAMILIES: dict[str, Family] = {}


def register(family: Family) -> None:
    """Makes a family known to `extend` and `Extension.load`.

    Raises:
        ValueError: another family has this name.
    """
    if FAMILIES.setdefault(family.NAME, family) is not family:
        raise ValueError(f"A family named {family.NAME!r} is registered already; choose another name.")


def family_of(model: nn.Module) -> Family:
    """The family that a model belongs to.

    Raises:
        TypeError: no family knows this class.
    """
    for family in FAMILIES.values():
        if family.matches(model):
            return family
    known = ", ".join(family.MODEL_CLASS for family in FAMILIES.values())
    hint = (
        "; make a UNet of it first, UNetMotionModel.from_unet2d(unet, adapter)"
        if type(model).__name__ == "MotionAdapter"
        else ""
    )
    raise TypeError(f"{type(model).__name__} cannot be extended; pass one of: {known}{hint}.")


register(svd)
register(animatediff)
