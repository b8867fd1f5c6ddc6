"""The temporal sites of a model, the base's own and the extended ones, one set of which is in it."""

import warnings
from typing import Any

import torch
from torch import nn

from exvideo_blocks.twins import adapters_on, has_own_forward

Modules = dict[str, nn.Module]


class Sites:
    """The base's temporal sites and the extended ones, by name. One set is in the model, the other waits.

    Args:
        model: what they are sites of.
        originals: the base's, which are in the model.
        extended: their stand-ins, which are put in their place.
    """

    def __init__(self, model: nn.Module, originals: Modules, extended: Modules) -> None:
        self.originals = originals
        self._model = model
        self._aside: Modules = {}  # the extended sites, while they wait
        # Where the model was at each site (device and dtype) when one of the two was last exchanged for the other.
        self._was_at = {name: _place(originals[name], site) for name, site in extended.items()}
        # What each set has for itself, and what both have: frozen parameters, with the count of changes made in place.
        self._own = [_own_modules(originals, extended), _own_modules(extended, originals)]
        self._shared = [
            (f"{at}.{name}", parameter, id(parameter), _changes(parameter)) for at in originals
            for name, parameter in _shared_parameters(originals[at], extended[at]).items()
        ]  # fmt: skip
        for name, site in extended.items():
            _put(model, name, site)
            _rest(originals[name], extended[name])

    @property
    def are_extended(self) -> bool:
        """True while the extended sites are in the model."""
        return not self._aside

    def extended(self) -> Modules:
        """The extended sites, wherever they are."""
        return self._aside or {name: self._model.get_submodule(name) for name in self.originals}

    def put_originals(self) -> None:
        """Swaps the base's sites in; they follow the model if it was moved or cast, else no bit of them changes.

        Nothing happens if they are in it.

        Raises:
            ValueError: as `check_whole`; or the model was moved to the meta device.
        """
        if not self.are_extended:
            return
        self.check_whole()
        extended = self.extended()
        self._swap_all(extended, self.originals)
        self._aside = extended

    def put_extended(self) -> None:
        """Swaps the extended sites in; they follow the model if it was moved or cast, else no bit of them changes.

        Raises:
            ValueError: as `put_originals`.
        """
        if self.are_extended:
            return
        self.check_whole()
        self._swap_all(self.originals, self._aside)
        self._aside = {}
        for name, site in self.extended().items():
            _rest(self.originals[name], site)

    def check_whole(self, *, adapters: bool = False) -> None:
        """Checks that the sites in the model are as they were put there, since all else would go with them unsaid.

        Args:
            adapters: adapters of peft around their layers are no matter.

        Raises:
            ValueError: a module of theirs was replaced, carries adapters of peft, or runs through hooks of a library.
        """
        sites = self.extended() if self.are_extended else self.originals
        found = {f"{at}:{name}": module for at, site in sites.items() for name, module in site.named_modules()}
        for path, own in self._own[self.are_extended].items():
            _check_module(path.replace(":", ".").rstrip("."), own, found.get(path), adapters)

    def warn_of_changes(self) -> None:
        """Warns if parameters that both sets share were changed in place, as then the base's own values are lost."""
        # A copy of the model has parameters of other identities, and counts of their own.
        changed = [name for name, p, identity, before in self._shared if id(p) == identity and _changes(p) != before]
        if changed:
            warnings.warn(
                f"{len(changed)} frozen parameters of the base's temporal sites were written to in place while the "
                f"model was extended ({changed[0]} is the first), and stay as they are now: load the base anew if it "
                "is to be what it was.",
                stacklevel=3,
            )

    def _swap_all(self, outgoing: Modules, incoming: Modules) -> None:
        places = {name: _place(outgoing[name], incoming[name]) for name in self.originals}
        for name, (device, _) in places.items():
            if device.type == "meta" and any(not p.is_meta for p in incoming[name].parameters()):
                raise ValueError(
                    "The model was moved to the meta device, where the modules that take its place would lose their "
                    "values: move it to a device that holds values (to_empty, then load_state_dict) first."
                )
        for name, place in places.items():
            self._follow(name, incoming[name], place)
            _swap(self._model, name, outgoing[name], incoming[name])

    def _follow(self, name: str, incoming: nn.Module, place: tuple[torch.device, torch.dtype]) -> None:
        # Each by itself, and only where it changed: a site may hold parameters of several types.
        device, dtype = place
        if any(parameter.device != device for parameter in incoming.parameters()) or self._was_at[name][0] != device:
            incoming.to(device)
        if dtype != self._was_at[name][1]:
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


def _rest(original: nn.Module, extended: nn.Module) -> None:
    """Keeps what an original has for itself in main memory while it waits: at level `full` that is all that trains."""
    shared = {id(parameter) for parameter in extended.parameters()}
    for parameter in original.parameters():
        if id(parameter) not in shared and parameter.device.type not in ("cpu", "meta"):
            parameter.data = parameter.data.cpu()


def _own_modules(sites: Modules, twins: Modules) -> Modules:
    """Modules of sites that are not their twins' too, by "site:name within it"."""
    return {
        f"{at}:{name}": module
        for at, site in sites.items()
        for others in [{id(module) for module in twins[at].modules()}]
        for name, module in site.named_modules()
        if id(module) not in others
    }


def _shared_parameters(site: nn.Module, twin: nn.Module) -> dict[str, nn.Parameter]:
    others = {id(parameter) for parameter in twin.parameters()}
    return {name: parameter for name, parameter in site.named_parameters() if id(parameter) in others}


def _changes(parameter: nn.Parameter) -> int:
    """The count that PyTorch keeps of changes in place; it keeps none of an inference tensor."""
    return 0 if parameter.is_inference() else parameter._version


def _check_module(name: str, own: nn.Module, found: nn.Module | None, adapters_allowed: bool) -> None:
    adapters = None if found is None else adapters_on(found)
    if adapters is not None and found is not own:
        inner = dict(found.named_modules()) if found is not None else {}
        if adapters and not adapters_allowed:
            raise ValueError(
                f"{name} carries the adapters of peft {adapters}, put there since it is in the model, and they would "
                f"go with it: take them off first (unload_lora, or delete_adapters({adapters}))."
            )
        found = next((module for module in inner.values() if module is own), None)
    if found is not own:
        what = "gone" if found is None else f"a {type(found).__name__} in the place of its {type(own).__name__}"
        raise ValueError(
            f"{name} is {what}, put there since the model was extended or its extension disabled: put the module that "
            "was there back, or undo what replaced it."
        )
    if has_own_forward(own):
        raise ValueError(
            f"{name} runs through hooks of a library (offloading, layerwise casting), which hold or have changed "
            "its values: take them off first (accelerate.hooks.remove_hook_from_module(model, recurse=True)); a model "
            "that diffusers casts by layer or offloads in groups has to be loaded anew."
        )
