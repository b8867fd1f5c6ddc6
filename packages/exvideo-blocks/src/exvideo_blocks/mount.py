"""Mounting an extension on a model, in place, and taking it off again."""

from dataclasses import replace
from typing import Any

from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import ATTRIBUTE, Extension, extension_of
from exvideo_blocks.families import family_of, network_of
from exvideo_blocks.guards import unguard
from exvideo_blocks.lora import start_lora, stored_name
from exvideo_blocks.sites import Sites


def extend(model: Any, config: ExtensionConfig) -> Extension:
    """Mounts extended temporal blocks on `model`, in place, and freezes everything that the level does not train.

    A freshly extended model computes what the base computes for clips of up to the base's own length, unless its
    positions or its frame rate are interpolated. Load the base's weights before: `load_state_dict(assign=True)` on an
    extended model puts tensors in it that the modules kept for `restore` do not share.

    Args:
        model: one that a family knows: diffusers' UNetSpatioTemporalConditionModel or UNetMotionModel, or a class of
            `register_family`; or a pipeline of diffusers with one.
        config: length and level.

    Returns:
        The mounted extension: its parameters, on and off.

    Raises:
        TypeError: no family knows the model's class, or a pipeline has two networks (Wan 2.2 A14B): extend each.
        ValueError: the model is extended already or compiled, it has no temporal site, or its sites carry adapters of
            peft, hooks, fused or quantised layers, or classes and attention processors that the family does not know;
            config.num_frames is not beyond the base's frames, or those are fewer than 2; or config.frame_rate is
            interpolated for a family that is told none. The model is then as it was.
    """
    model = network_of(model)
    check_extends(model, config)
    family = family_of(model)
    known = config.base_frames or family.base_frames(model)
    required_grad = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    originals = family.find_sites(model)
    extended = {name: family.extended_site(site, config, known) for name, site in originals.items()}
    # A site that the level changes nothing of stands for itself.
    originals = {name: site for name, site in originals.items() if extended[name] is not site}
    extended = {name: extended[name] for name in originals}
    owners = {
        stored_name(f"{at}.{name}"): _owner(site, name)
        for at, site in extended.items()
        for name in family.adapted_names(site, config.level)
    }
    start_lora({name: module.get_parameter(attribute) for name, (module, attribute) in owners.items()})
    sites = Sites(model, originals, extended)
    try:
        extension = Extension(
            model=model, config=config, family=family, base_frames=known, sites=sites, owners=owners,
            required_grad=required_grad,
        )  # fmt: skip
        for module in (model, *extended.values()):
            module.requires_grad_(False)
        for parameter in extension.named_parameters().values():
            parameter.requires_grad_(True)
        _carry_checkpointing(model, extended)
        setattr(model, ATTRIBUTE, extension)
        extension.settle()
    except BaseException:
        sites.put_originals()
        unguard(model)
        _require_grad(model, required_grad)
        vars(model).pop(ATTRIBUTE, None)
        raise
    return extension


def _owner(site: nn.Module, name: str) -> tuple[nn.Module, str]:
    parent, _, attribute = name.rpartition(".")
    return site.get_submodule(parent), attribute


def _carry_checkpointing(model: nn.Module, extended: dict[str, Any]) -> None:
    """Makes the extended sites checkpoint if the model does, even those whose originals could not."""
    flag, function = "gradient_checkpointing", "_gradient_checkpointing_func"
    saving = next((m for m in model.modules() if getattr(m, flag, False) and hasattr(m, function)), None)
    for site in extended.values():
        if saving is not None and hasattr(site, flag):
            site.gradient_checkpointing = True
            site._gradient_checkpointing_func = getattr(saving, function)


def check_extends(model: Any, config: ExtensionConfig) -> None:
    """Raises what `extend` would raise of the configuration and the base's length; touches nothing.

    Of what stands in the temporal sites (classes, adapters, hooks, attention processors), it looks at the first of each
    class alone; `extend` finds the rest.
    """
    model = network_of(model)
    family = family_of(model)
    if hasattr(model, "_orig_mod"):
        raise ValueError("This model is compiled: extend the model that was given to torch.compile, and compile after.")
    if extension_of(model) is not None:
        raise ValueError("This model is extended already: call restore(model) first.")
    sites = family.find_sites(model)
    if not sites:
        raise ValueError(
            f"This {type(model).__name__} has no temporal site, so there is nothing to extend: pass a video model."
        )
    if config.level not in family.LEVELS:
        raise ValueError(
            f"level={config.level!r} is not one that {family.NAME} models serve: choose one of "
            f"{', '.join(family.LEVELS)}."
        )
    if config.frame_rate != "own" and not hasattr(family, "tell_frame_rate"):
        raise ValueError(
            f"frame_rate={config.frame_rate!r} is for a model that is told a frame rate, which {family.NAME} models "
            "are not: leave it at 'own'."
        )
    family.rows(config.num_frames)
    known = config.base_frames or family.base_frames(model)
    if known < 2:
        raise ValueError(
            f"A base model of {known} frame cannot be extended, which takes at least 2 that it knows: give "
            "ExtensionConfig its base_frames if it was trained at more."
        )
    try:
        family.rows(known)
    except ValueError as error:
        raise ValueError(str(error).replace("num_frames", "base_frames", 1)) from error
    if config.num_frames <= known:
        raise ValueError(
            f"num_frames={config.num_frames} is no extension of a base model of {known} frames: "
            f"ask for more than {known}."
        )
    # A stand-in of each kind, thrown away: positions and kinds of models that a family does not know are found so.
    cheapest = replace(config, level="position") if "position" in family.LEVELS else config
    for site in {type(site): site for site in reversed(sites.values())}.values():
        family.extended_site(site, cheapest, known)


def restore(model: Any) -> None:
    """Takes the extension off: the original modules and weights are back, bit for bit, on the model's present device.

    What stands outside of the temporal sites is as it is: the extension never touched it. A warning names weights of
    the base that somebody changed meanwhile, by an optimizer, `load_state_dict`, or a cast that rounded them.

    Args:
        model: the model, or a pipeline with it.

    Raises:
        ValueError: the model is not extended; or as `Extension.disable`, the extension is then mounted still.
    """
    extension = extension_of(model)
    if extension is None:
        raise ValueError(f"This {type(model).__name__} is not extended: there is nothing to restore.")
    extension.disable()
    model = extension.model  # it may be in a wrapper
    unguard(model)
    _require_grad(model, extension.required_grad)
    delattr(model, ATTRIBUTE)
    extension.warn_of_changes()


def _require_grad(model: nn.Module, required: dict[str, bool]) -> None:
    """Sets the flag of the parameters that are named; others, of adapters say, keep theirs."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(required.get(name, parameter.requires_grad))


def remount(extension: Extension) -> None:
    """Puts an extension that `restore` took off back on its model, as it was."""
    # The extended sites are not in it, and what trains there still does.
    _require_grad(extension.model, dict.fromkeys(extension.required_grad, False))
    setattr(extension.model, ATTRIBUTE, extension)
    extension.enable()
