"""Twins of modules: module objects of their own over the same parameters, except for those that are to train.

Whatever happens to a twin (hooks, injected adapters, merged weights, training) leaves the module that it was made of as
it was.
"""

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch import nn

from exvideo_blocks.layers import BorrowedLinear

_PLAIN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def twin_of(module: nn.Module, cls: type[nn.Module]) -> Any:
    """An instance of `module`'s class, or a subclass of it, that shares its parameters, buffers and submodules.

    A module that was compiled in place has a twin that is not.

    Raises:
        ValueError: the module has a `forward` of its own, beside its class's, and the twin would run the module through
            it; it carries adapters of peft, or is quantised, pruned or parametrized.
    """
    _check_plain(module)
    values = dict(vars(module))
    values.pop("forward", None)
    values.pop("_diffusers_hook", None)  # diffusers' registry of hooks, of the module, empty: a twin gets its own
    twin = cls.__new__(cls)
    # Tables of hooks, submodules and names are copied, so that mounting on the twin does not reach the original.
    twin.__dict__ = {key: copy(value) if isinstance(value, dict | set) else value for key, value in values.items()}
    twin._compiled_call_impl = None
    if isinstance(twin, BorrowedLinear) and not isinstance(module, BorrowedLinear):
        twin.borrowed, twin.copied = set(twin._parameters), set()
    return twin


def twin_with_own(module: nn.Module, owns: Callable[[str], bool], prefix: str = "") -> Any:
    """A twin of `module` and of every submodule, with copies of some parameters and the others shared.

    Linear layers become `BorrowedLinear`s.

    Args:
        module: what to make a twin of.
        owns: says of a parameter's name within the module whether the twin gets a copy of its own.
        prefix: put before every name that `owns` is asked about.

    Raises:
        ValueError: as `twin_of`, of the module or of one in it.
    """
    twin = twin_of(module, BorrowedLinear if type(module) is nn.Linear else type(module))
    for name, parameter in module._parameters.items():
        if parameter is not None and owns(prefix + name):
            twin._parameters[name] = nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
            getattr(twin, "borrowed", set()).discard(name)
    for name, child in module._modules.items():
        if child is not None:
            twin._modules[name] = twin_with_own(child, owns, f"{prefix}{name}.")
    return twin


def has_own_forward(module: nn.Module) -> bool:
    """True if the module runs through a `forward` of its own in place of its class's, as hooks of libraries set."""
    forward = vars(module).get("forward")
    # A hook of accelerate that was taken off leaves the class's own forward behind, bound to the module.
    return forward is not None and getattr(forward, "__func__", None) is not type(module).forward


def adapters_on(module: nn.Module) -> list[str] | None:
    """Names of the adapters that a layer of peft's carries, none after they were deleted; None for any other module."""
    names = getattr(module, "_get_available_adapters", None)
    return None if names is None else sorted(names())


def adds_to_weights(layer: nn.Module) -> bool:
    """True if the adapters of a layer of peft's do no more than add to its weights: LoRA, LoHa, LoKr, but not DoRA."""
    kind = type(layer).__module__.removeprefix("peft.tuners.").partition(".")[0]
    return kind in ("lora", "loha", "lokr") and not getattr(layer, "lora_variant", None)


def _check_plain(module: nn.Module) -> None:
    cls = type(module)
    adapters = adapters_on(module)
    if adapters is not None:
        raise ValueError(
            f"A {cls.__name__} in the temporal sites of this model carries the adapters of peft {adapters}, which an "
            "extension would take for its own: fuse or unload them (unload_lora) before extending it; beside an "
            "extension, load them after."
        )
    hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", None)
    if has_own_forward(module) and hooks:
        raise ValueError(
            f"A {cls.__name__} of this model runs through hooks of diffusers ({', '.join(hooks)}), which would bypass "
            "an extension: extend the model before enable_cache, enable_group_offload and enable_layerwise_casting. A "
            "cache can be taken off (model.disable_cache()); a model offloaded in groups or cast by layer has to be "
            "loaded anew."
        )
    if has_own_forward(module):
        raise ValueError(
            f"A {cls.__name__} of this model has a forward of its own in place of its class's, as hooks of "
            "accelerate and diffusers set, and it would bypass an extension: take the hooks off "
            "(accelerate.hooks.remove_hook_from_module(model, recurse=True)), extend, and put them on again."
        )
    if hasattr(module, "parametrizations") or (isinstance(module, nn.Linear) and "weight" not in module._parameters):
        raise ValueError(
            f"A {cls.__name__} in the temporal sites of this model is pruned or parametrized, and an extension shares "
            "and copies plain weights: make it permanent (torch.nn.utils.prune.remove, "
            "torch.nn.utils.parametrize.remove_parametrizations) before extending the model."
        )
    for name, parameter in module._parameters.items():
        if parameter is not None and (type(parameter) is not nn.Parameter or parameter.dtype not in _PLAIN):
            raise ValueError(
                f"The {name} of a {cls.__name__} in the temporal sites of this model is a {type(parameter).__name__} "
                f"of {parameter.dtype}, and an extension shares and copies plain weights: load the base without "
                "quantisation, or keep its temporal layers out of it."
            )
