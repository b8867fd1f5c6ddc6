"""The temporal sites of a model, the base's own and the extended ones, one set of which is in it."""

from typing import Any

import torch
from torch import nn


class Sites:
    """The base's temporal sites and the extended ones, by name. One set is in the model, the other waits.

    Args:
        model: what they are sites of.
        originals: the base's, which are in the model.
        extended: their stand-ins, which are put in their place.
    """

    def __init__(self, model: nn.Module, originals: dict[str, nn.Module], extended: dict[str, nn.Module]) -> None:
        self.originals = originals
        self._model = model
        self._aside: dict[str, nn.Module] = {}  # the extended sites, while they wait
        # Where the model was at each site (device and dtype) when one of the two was last exchanged for the other.
        self._was_at = {name: _place(originals[name], site) for name, site in extended.items()}
        for name, site in extended.items():
            _put(model, name, site)

    @property
    def are_extended(self) -> bool:
        """True while the extended sites are in the model."""
        return not self._aside

    def extended(self) -> dict[str, nn.Module]:
        """The extended sites, wherever they are."""
        return self._aside or {name: self._model.get_submodule(name) for name in self.originals}

    def put_originals(self) -> None:
        """Swaps the base's sites in; they follow the model if it was moved or cast, else no bit of them changes.

        Nothing happens if they are in it.
        """
        if not self.are_extended:
            return
        extended = self.extended()
        for name, original in self.originals.items():
            self._follow(name, original, _place(extended[name], original))
            _swap(self._model, name, extended[name], original)
        self._aside = extended

    def put_extended(self) -> None:
        """Swaps the extended sites in; they follow the model if it was moved or cast, else no bit of them changes."""
        for name, extended in self._aside.items():
            original = self._model.get_submodule(name)
            self._follow(name, extended, _place(original, extended))
            _swap(self._model, name, original, extended)
        self._aside = {}

    def _follow(self, name: str, incoming: nn.Module, place: tuple[torch.device, torch.dtype]) -> None:
        # Each by itself, and only where it changed: a site may hold parameters of several types.
        (device, dtype), (old_device, old_dtype) = place, self._was_at[name]
        if device != old_device:
            incoming.to(device)
        if dtype != old_dtype:
            incoming.to(dtype)
        self._was_at[name] = place


def _swap(model: nn.Module, name: str, outgoing: Any, incoming: Any) -> None:
    incoming.train(outgoing.training)
    if hasattr(outgoing, "gradient_checkpointing"):
        incoming.gradient_checkpointing = outgoing.gradient_checkpointing
        if outgoing.gradient_checkpointing:
            incoming._gradient_checkpointing_func = outgoing._gradient_checkpointing_func
    _put(model, name, incoming)


def _put(model: nn.Module, name: str, site: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    model.get_submodule(parent).register_module(attribute, site)


def _place(site: nn.Module, twin: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The model's device and dtype, seen by a site in it: by what is frozen and shared, as what trains may differ."""
    shared = {id(parameter) for parameter in twin.parameters()}
    parameter = next((p for p in site.parameters() if id(p) in shared), next(site.parameters()))
    return parameter.device, parameter.dtype
