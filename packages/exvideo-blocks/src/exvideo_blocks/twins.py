"""Twins of modules: module objects of their own over the same parameters, except for those that are to train.

Whatever happens to a twin (hooks, injected adapters, training) leaves the module that it was made of as it was.
"""

from collections.abc import Callable
from copy import copy
from typing import Any

from torch import nn


def twin_of(module: nn.Module, cls: type[nn.Module]) -> Any:
    """An instance of `module`'s class, or a subclass of it, that shares its parameters, buffers and submodules.

    A module that was compiled in place has a twin that is not.

    Raises:
        ValueError: the module has a `forward` of its own, beside its class's: the twin would run the module through it.
    """
    values = dict(vars(module))
    forward = values.pop("forward", None)
    # A hook of accelerate that was taken off leaves the class's own forward behind, bound to the module.
    if forward is not None and getattr(forward, "__func__", None) is not type(module).forward:
        raise ValueError(
            f"A {type(module).__name__} of this model has a forward of its own in place of its class's, as hooks of "
            "accelerate and diffusers set, and it would bypass an extension: take the hooks off "
            "(accelerate.hooks.remove_hook_from_module(model, recurse=True)), extend, and put them on again."
        )
    twin = cls.__new__(cls)
    # Tables of hooks, submodules and names are copied, so that mounting on the twin does not reach the original.
    twin.__dict__ = {key: copy(value) if isinstance(value, dict | set) else value for key, value in values.items()}
    twin._compiled_call_impl = None
    return twin


def twin_with_own(module: nn.Module, owns: Callable[[str], bool], prefix: str = "") -> Any:
    """A twin of `module` and of every submodule, with copies of some parameters and the others shared.

    Args:
        module: what to make a twin of.
        owns: says of a parameter's name within the module whether the twin gets a copy of its own.
        prefix: put before every name that `owns` is asked about.
    """
    twin = twin_of(module, type(module))
    for name, parameter in module._parameters.items():
        if parameter is not None and owns(prefix + name):
            twin._parameters[name] = nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
    for name, child in module._modules.items():
        if child is not None:
            twin._modules[name] = twin_with_own(child, owns, f"{prefix}{name}.")
    return twin
