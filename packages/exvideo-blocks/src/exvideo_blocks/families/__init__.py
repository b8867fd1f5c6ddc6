"""The kinds of video model that can be extended, a room each."""

from typing import Any

from torch import nn

from exvideo_blocks.families import animatediff, svd
from exvideo_blocks.families.cogvideox import CogVideoX
from exvideo_blocks.families.family import Family
from exvideo_blocks.families.hunyuan_video import HunyuanVideo
from exvideo_blocks.families.ltx import LTX
from exvideo_blocks.families.wan import Wan

FAMILIES: dict[str, Family] = {}


def register_family(family: Family) -> None:
    """Makes a family known to `extend` and `load_extension`.

    Raises:
        ValueError: another family has this name.
    """
    if FAMILIES.setdefault(family.NAME, family) is not family:
        raise ValueError(f"A family named {family.NAME!r} is registered already: choose another name.")


def network_of(model: Any) -> nn.Module:
    """The model itself, or the one that a pipeline of diffusers denoises with.

    Raises:
        TypeError: it is neither a module nor a pipeline with a model of a family, or one with two (Wan 2.2 A14B).
    """
    first, *others = networks_of(model).items()
    if others:
        raise TypeError(
            f"This {type(model).__name__} has two networks, {first[0]} and {others[0][0]}, with an extension each: "
            f"pass one of them, pipe.{first[0]} or pipe.{others[0][0]}."
        )
    return first[1]


def networks_of(model: Any) -> dict[str, nn.Module]:
    """The networks that a pipeline of diffusers denoises with, by their names in it: two of a mixture (Wan 2.2 A14B).

    Args:
        model: a pipeline; or a model itself, which is named "".

    Raises:
        TypeError: it is neither a module nor a pipeline with a model of a family.
    """
    if isinstance(model, nn.Module):
        return {"": model}
    for family in FAMILIES.values():
        network: Any = getattr(model, family.SUBFOLDER, None)
        if isinstance(getattr(network, "_orig_mod", network), family.model_class()):
            names = (family.SUBFOLDER, f"{family.SUBFOLDER}_2")
            found = {name: getattr(model, name, None) for name in names}
            return {name: network for name, network in found.items() if isinstance(network, nn.Module)}
    raise TypeError(
        f"{type(model).__name__} holds no model that can be extended: pass a model, or a pipeline of "
        f"{', '.join(FAMILIES)}."
    )


def family_of(model: nn.Module) -> Family:
    """The family of a model, compiled or not: of those that know its class or a parent of it, the most specific.

    Raises:
        TypeError: no family knows this class, or two know the same one.
    """
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    classes = {name: family.model_class() for name, family in FAMILIES.items()}
    for parent in type(model).__mro__:
        names = [name for name, known in classes.items() if known is parent]
        if len(names) > 1:
            raise TypeError(f"{parent.__name__} is a model of {' and '.join(names)}: register one family a class.")
        if names:
            return FAMILIES[names[0]]
    known = ", ".join(f"{known.__module__.partition('.')[0]}.{known.__name__}" for known in classes.values())
    hint = (
        ": make a UNet of it first, UNetMotionModel.from_unet2d(unet, adapter)"
        if type(model).__name__ == "MotionAdapter"
        else ""
    )
    raise TypeError(f"{type(model).__name__} cannot be extended: pass one of {known}{hint}.")


register_family(svd)
register_family(animatediff)
for transformer in (Wan(), HunyuanVideo(), LTX(), CogVideoX()):
    register_family(transformer)
