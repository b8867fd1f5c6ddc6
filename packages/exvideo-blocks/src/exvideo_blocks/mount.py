"""Mounting an extension on a model, in place, and taking it off again."""

from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension
from exvideo_blocks.families import family_of
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.lora import check_peft, start_lora
from exvideo_blocks.sites import Sites

_ATTRIBUTE = "_exvideo_extension"


def extend(model: nn.Module, config: ExtensionConfig) -> Extension:
    """Mounts extended temporal blocks on `model`, in place, and freezes everything that the level does not train.

    A freshly extended model computes what the base computes for clips of up to the base's own length.

    Args:
        model: one that a family knows: diffusers' UNetSpatioTemporalConditionModel or UNetMotionModel, or a class of
            `exvideo_blocks.families.register`.
        config: length and level.

    Returns:
        The mounted extension: its parameters, `save`.

    Raises:
        TypeError: no family knows the model's class.
        ValueError: the model is extended already, config.num_frames is not beyond the base's frames, or the level
            needs peft and it is not installed.
    """
    check_extends(model, config)
    family = family_of(model)
    known = config.base_frames or family.base_frames(model)
    trained_before = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    originals = family.find_sites(model)
    extended = {name: family.extended_site(site, config, known) for name, site in originals.items()}
    names = [f"{at}.{name}" for at, site in extended.items() for name in family.adapted_names(site, config.level)]
    model.requires_grad_(False)
    extension = Extension(
        model=model, config=config, family=family, base_frames=known, sites=Sites(model, originals, extended),
        names=names, trained_before=trained_before,
    )  # fmt: skip
    parameters = extension.named_parameters()
    start_lora(parameters)
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    setattr(model, _ATTRIBUTE, extension)
    return extension


def check_extends(model: nn.Module, config: ExtensionConfig) -> None:
    """Raises what `extend` would raise for this model and configuration, and touches nothing."""
    family = family_of(model)
    if extension_of(model) is not None:
        raise ValueError("This model is extended already; call restore(model) first.")
    known = config.base_frames or family.base_frames(model)
    if config.num_frames <= known:
        raise ValueError(
            f"num_frames={config.num_frames} is no extension of a base model of {known} frames; "
            f"ask for more than {known}."
        )
    if LEVELS[config.level].lora:
        check_peft()


def restore(model: nn.Module) -> None:
    """Takes the extension off: the original modules and weights are back, bit for bit, on the model's present device.

    Raises:
        ValueError: the model is not extended.
    """
    extension = extension_of(model)
    if extension is None:
        raise ValueError(f"This {type(model).__name__} is not extended; there is nothing to restore.")
    extension.disable()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in extension.trained_before)
    delattr(model, _ATTRIBUTE)


def extension_of(model: nn.Module) -> Extension | None:
    """The extension that is mounted on a model, or None."""
    return getattr(model, _ATTRIBUTE, None)
