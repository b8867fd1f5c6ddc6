"""The temporal sites of a model, the base's own and the extended ones, one set of which is in it."""

import itertools
import warnings
from typing import Any

import torch
from torch import nn

from exvideo_blocks.layers import BorrowedLinear
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
        self._was_at = {name: _place(model, name, originals[name], site) for name, site in extended.items()}
        # What each set has for itself; and the bits of what is the base's.
        self._own = [_own_modules(originals, extended), _own_modules(extended, originals)]
        self._bits = self._base_bits()
        for name, site in extended.items():
            if not _tensors(originals[name]):  # its stand-in could not know where the model is
                site.to(self._was_at[name][0])
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
        sites = {name: self._model.get_submodule(name) for name in self.originals}
        found = {f"{at}:{name}": module for at, site in sites.items() for name, module in site.named_modules()}
        for path, own in self._own[self.are_extended].items():
            _check_module(path.replace(":", ".").rstrip("."), own, found.get(path), adapters)

    def warn_of_changes(self) -> None:
        """Warns if values of the base's temporal sites are others than when the model was extended.

        Values of another type than then, as the model was cast since, are not compared.
        """
        now = self._base_bits()
        changed = [
            name for name, (dtype, bits) in self._bits.items()
            if name in now and now[name][0] == dtype and None not in (bits, now[name][1]) and now[name][1] != bits
        ]  # fmt: skip
        if changed:
            warnings.warn(
                f"{len(changed)} tensors of the base's temporal sites were changed while the model was extended "
                f"({changed[0]} is the first): frozen weights that somebody wrote to, replaced, or cast to a narrower "
                "type and back. They stay as they are: load the base anew if it is to be what it was.",
                stacklevel=3,
            )

    def fused_copies(self) -> list[str]:
        """Names of frozen weights of the extended sites that are no longer the base's, as updates were fused in."""
        base, changed = self._own[False], []
        for path, module in self._own[True].items():
            for name in sorted(module.copied) if isinstance(module, BorrowedLinear) else ():
                parameter = module._parameters.get(name)
                original = base[path]._parameters.get(name) if path in base else None
                if parameter is not None and original is not None:
                    before = original.detach().to(parameter)
                    rounding = 8 * torch.finfo(parameter.dtype).eps * before.norm()  # of fusing and unfusing
                    if (parameter.detach() - before).norm() > rounding:
                        changed.append(f"{path.replace(':', '.')}.{name}")
        return changed

    def _base_bits(self) -> dict[str, tuple[torch.dtype, int | None]]:
        """Type and sum of the bits of each tensor of the base's temporal modules, by name."""
        modules = dict(self._own[False])
        for at, site in self.originals.items():  # norms and mixers, which both sets have
            modules |= {f"{at}:{name}": child for name, child in site.named_children() if not list(child.children())}
        return {
            f"{path.replace(':', '.')}.{name}": (tensor.dtype, _bits(tensor))
            for path, module in modules.items()
            for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        }

    def _swap_all(self, outgoing: Modules, incoming: Modules) -> None:
        places = {name: _place(self._model, name, outgoing[name], incoming[name]) for name in self.originals}
        for name, (device, _) in places.items():
            on_meta = {parameter.is_meta for parameter in incoming[name].parameters()}
            if device.type == "meta" and False in on_meta:
                raise ValueError(
                    "The model was moved to the meta device, where the modules that take its place would lose their "
                    "values: move it to a device that holds values (to_empty, then load_state_dict) first."
                )
            if device.type != "meta" and True in on_meta:
                raise ValueError(
                    "The modules that would be put in the model have no values: it was extended on the meta device, "
                    "and weights came only after. Load the base's weights first, and extend it then."
                )
        for name, place in places.items():  # this may fail, where memory is short; what follows does not
            self._follow(name, incoming[name], place)
        for name in places:
            _swap(self._model, name, outgoing[name], incoming[name])

    def _follow(self, name: str, incoming: nn.Module, place: tuple[torch.device, torch.dtype]) -> None:
        # Each by itself, and only where it changed: a site may hold parameters of several types.
        device, dtype = place
        if any(tensor.device != device for tensor in _tensors(incoming)) or self._was_at[name][0] != device:
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
    """Puts a site in its place in the model.

    The registries of diffusers' hooks above it remember those below, and would tell a site that is gone which context
    a cache is in; diffusers before 0.42 never looks again.
    """
    parent, _, attribute = name.rpartition(".")
    model.get_submodule(parent).register_module(attribute, site)
    for end in range(len(parts := name.split("."))):
        registry = getattr(model.get_submodule(".".join(parts[:end])), "_diffusers_hook", None)
        if registry is not None:
            registry._child_registries_cache = None


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _place(model: nn.Module, name: str, site: nn.Module, twin: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The model's device and dtype, seen by a site in it: by what is frozen and shared, as what trains may differ.

    Where the two share no parameter, by the site's first one if both have some, then by a buffer that both have; where
    one has neither, as an embedding of positions that is computed anew in each call, by the model's first parameter.
    """
    shared, buffers = {id(parameter) for parameter in twin.parameters()}, dict(twin.named_buffers())
    parameters = list(site.parameters())
    if parameters and shared:
        tensor: torch.Tensor = next((p for p in parameters if id(p) in shared), parameters[0])
    else:
        common = (buffer for at, buffer in site.named_buffers() if at in buffers)
        outside = (p for at, p in model.named_parameters() if not at.startswith(f"{name}."))
        tensor = next(itertools.chain(common, outside))
    return tensor.device, tensor.dtype


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


def _bits(tensor: torch.Tensor) -> int | None:
    """The sum of a tensor's bits as whole numbers, which any change of its values changes; None if it has none."""
    if tensor.is_meta or type(tensor) not in (torch.Tensor, nn.Parameter):
        return None
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return int(tensor.detach().contiguous().flatten().view(kind).sum(dtype=torch.int64))


def _check_module(name: str, own: nn.Module, found: nn.Module | None, adapters_allowed: bool) -> None:
    adapters = None if found is None else adapters_on(found)
    if adapters and not adapters_allowed:
        raise ValueError(
            f"{name} carries the adapters of peft {adapters}, put there since it is in the model, and they would "
            f"go with it: take them off first (unload_lora, or delete_adapters({adapters}))."
        )
    within = found is not None and adapters is not None and any(module is own for module in found.modules())
    if found is not own and not within:
        what = "gone" if found is None else f"a {type(found).__name__} in the place of its {type(own).__name__}"
        raise ValueError(
            f"{name} is {what}, put there since the model was extended or its extension disabled: put the module that "
            "was there back, or undo what replaced it."
        )
    if has_own_forward(own):
        raise ValueError(
            f"{name} runs through hooks of a library (offloading, layerwise casting), which hold or have changed "
            "its values: take them off first (accelerate.hooks.remove_hook_from_module(model, recurse=True), or "
            "model.disable_cache()); a model that diffusers casts by layer or offloads in groups has to be loaded anew."
        )
