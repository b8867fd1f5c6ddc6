"""The mounted extension: its parameters, and whether it is in the model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families import FAMILIES, network_of
from exvideo_blocks.families.family import Family
from exvideo_blocks.guards import guard
from exvideo_blocks.kernels.choose import check_backend
from exvideo_blocks.layers import PositionTable
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.lora import LowRankLinear
from exvideo_blocks.sites import Sites
from exvideo_blocks.twins import adapters_on, adds_to_weights

ATTRIBUTE = "_exvideo_extension"  # of an extended model


class Extension:
    """An extension mounted on a model by `extend` or `load_extension`.

    Attributes:
        model: the extended model.
        config: length and level.
        family_name: kind of model, such as "svd".
        base_frames: frames of the base model.
        names: names of the parameters that the level adapts: in the model, but for low-rank updates as in files.
        originals: the base's own temporal sites by name, which `restore` puts back.
        required_grad: names of the model's parameters, and whether each required a gradient before it was extended.
        architecture: the part of the base's config that decides whether an extension's tensors fit.
        training: how it was trained, of the file that it was loaded from, or set by a trainer; values that JSON can
            write, which files carry and nobody here reads. None if it is not known.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: ExtensionConfig,
        family: Family,
        base_frames: int,
        sites: Sites,
        owners: dict[str, tuple[nn.Module, str]],
        required_grad: dict[str, bool],
    ) -> None:
        self.model = model
        self.config = config
        self.family_name: str = family.NAME
        self.base_frames = base_frames
        self.names = list(owners)
        self.originals = sites.originals
        self.required_grad = required_grad
        self.architecture: dict[str, Any] = family.architecture(model)
        self.training: dict[str, Any] | None = None
        self._sites = sites
        # The module that holds each, and its name there: wherever that module is, be it in a layer that peft put there.
        self._owners = owners
        self._inputs: list[RemovableHandle] = []

    @property
    def family(self) -> Family:
        """The model's family. By name, as a module, which a family may be, could not be copied with the model."""
        return FAMILIES[self.family_name]

    def sites(self) -> dict[str, nn.Module]:
        """The extended temporal sites by name, whether they are in the model at present or not."""
        return self._sites.extended()

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Every parameter that the level adapts, by name: the content of a file.

        Raises:
            ValueError: one is none any more, as its layer was pruned or parametrized.
        """
        parameters: dict[str, nn.Parameter] = {}
        for name, (module, attribute) in self._owners.items():
            parameter = module._parameters.get(attribute)
            if parameter is None:
                raise ValueError(
                    f"{name} is no parameter of its layer any more, as pruning and parametrizations leave it: undo "
                    "that first (torch.nn.utils.prune.remove, torch.nn.utils.parametrize.remove_parametrizations)."
                )
            parameters[name] = parameter
        return parameters

    def check_whole(self) -> None:
        """Checks that the parameters hold what the extension has learnt, and nothing else, as a file must.

        Raises:
            ValueError: modules of the temporal sites were replaced or run through hooks of a library, or an adapter of
                peft is fused into parameters of the extension.
        """
        self._sites.check_whole(adapters=True)
        fused = self.fused_into()
        if fused:
            raise ValueError(
                f"Adapters of peft are fused into {len(fused)} parameters of this extension ({fused[0]} is the first), "
                "which would be saved with them: call unfuse_lora() first."
            )

    def trains_linear_weights(self) -> bool:
        """True if the level adapts weights of the base's linear layers themselves."""
        return any(isinstance(module, nn.Linear) and at == "weight" for module, at in self._owners.values())

    def not_added_beside_updates(self) -> list[str]:
        """Names of layers with a low-rank update of ours around which peft has one that does more than add to them."""
        return [
            f"{at}.{name}"
            for at, site in self.sites().items()
            for name, layer in site.named_modules()
            if adapters_on(layer) and not adds_to_weights(layer)
            and any(isinstance(inner, LowRankLinear) for inner in layer.modules())
        ]  # fmt: skip

    def originals_carry_adapters(self) -> bool:
        """True if adapters of peft are around layers of the base's temporal sites."""
        return any(adapters_on(layer) for site in self.originals.values() for layer in site.modules())

    def fused_into(self, *, possibly: bool = False) -> list[str]:
        """Names of the parameters that adapters of peft are fused into.

        Args:
            possibly: those that they would be fused into, too.
        """
        layers = [layer for site in self.sites().values() for layer in site.modules() if adapters_on(layer)]
        around = {
            id(module) for layer in layers if possibly or layer.merged_adapters for module in layer.modules()
        }  # fmt: skip
        touched = ("weight", "bias")
        return [name for name, (module, at) in self._owners.items() if id(module) in around and at in touched]

    def trainable_parameters(self, context_tokens: int | None = None) -> dict[str, nn.Parameter]:
        """The parameters to give to an optimizer, by name. They require a gradient from here on.

        Args:
            context_tokens: tokens that the model is conditioned on. With exactly one, as in Stable Video Diffusion,
                the queries, keys and norm of the temporal cross-attentions cannot learn; they are left out here and
                cease to require a gradient, since rounding noise in place of zero would make Adam walk at random.
        """
        parameters, dead = self.named_parameters(), set(self.dead_names(context_tokens))
        for name, parameter in parameters.items():
            parameter.requires_grad_(name not in dead)
        return {name: parameter for name, parameter in parameters.items() if name not in dead}

    def matrices(self) -> set[str]:
        """Names of the adapted parameters that are matrices or kernels: no norm, bias or table of positions."""
        return {
            name
            for name, parameter in self.named_parameters().items()
            if parameter.ndim > 1 and not isinstance(self._owners[name][0], PositionTable)
        }

    def dead_names(self, context_tokens: int | None = None) -> list[str]:
        """Names of adapted parameters that cannot learn when the model is conditioned on so many tokens.

        Of a level whose tables do not train, these as well.
        """
        dead = self.family.dead_names(self.names, context_tokens)
        if LEVELS[self.config.level].table:
            return dead
        return [*dead, *(name for name, (module, _) in self._owners.items() if isinstance(module, PositionTable))]

    def set_attention_backend(self, backend: str) -> None:
        """Chooses by what temporal self-attention is computed, from the next call on; no file keeps it.

        Args:
            backend: `auto` (as a new extension has it: the fastest that runs, on a CPU always PyTorch's), `triton`,
                `sdpa` or `xformers`; docs/kernels.md has what each can do.

        Raises:
            ValueError: there is no such backend; or the family's attention is computed by diffusers' processors, so
                that there is nothing to choose here. Nothing was changed then.
            BackendError: it cannot run on the device and in the dtype that the model has now. Nothing was changed.
        """
        check_backend(backend)
        modules = (module for site in self.sites().values() for module in site.modules())
        blocks: list[Any] = [module for module in modules if hasattr(module, "attention_backend")]
        if not blocks and backend != "auto":
            raise ValueError(
                f"backend={backend!r} cannot be chosen: the temporal attention of {self.family_name} models is run by "
                "diffusers' own processors. Use what diffusers has for them, model.set_attention_backend(...)."
            )
        for block in blocks:
            block.check_attention_backend(backend, self.config.num_frames)
        for block in blocks:
            block.attention_backend = backend

    def set_temporal_checkpointing(self, is_on: bool) -> None:
        """Has a backward pass compute the temporal blocks anew, whose activations are then not kept; no file knows it.

        Gradients are the same. `enable_gradient_checkpointing` of the model does it to all its blocks.

        Raises:
            ValueError: the sites of the model's family cannot.
        """
        sites: list[Any] = list(self.sites().values())
        if is_on and not all(hasattr(site, "temporal_checkpointing") for site in sites):
            raise ValueError(
                f"The temporal sites of {self.family_name} models cannot be computed anew apart from the rest: call "
                "model.enable_gradient_checkpointing() for all blocks."
            )
        for site in sites:
            site.temporal_checkpointing = is_on

    # --- on and off ----------------------------------------------------------------------------------------------

    @property
    def is_enabled(self) -> bool:
        """False while the base's own modules stand in the model."""
        return self._sites.are_extended

    def disable(self) -> None:
        """Puts the base's own modules in the model; the extended ones wait, with all they have learnt, for `enable`.

        The model computes what the frozen base does. Does nothing if the extension is disabled already.

        Raises:
            ValueError: the extension was taken off its model; something that was put in the extended modules meanwhile
                would go with them (adapters of peft, other modules, hooks of offloading); or the model was moved to the
                meta device. Nothing was done then.
        """
        self._check_mounted()
        self._sites.put_originals()
        self.settle()

    def enable(self) -> None:
        """Puts the extended modules back after `disable`; does nothing if they are in the model already.

        Where the model was moved or cast meanwhile, they follow it; else no bit of them changes.

        Raises:
            ValueError: the extension was taken off its model; or as `disable`, of the base's own modules.
        """
        self._check_mounted()
        self._sites.put_extended()
        self.settle()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """A block in which the model is its base. After it the extension is on or off as before, unless taken off."""
        was_enabled = self.is_enabled
        self.disable()
        try:
            yield
        finally:
            if was_enabled and self._is_mounted():
                self.enable()

    def settle(self) -> None:
        """Puts on the model what its state asks for: guards, and what rewrites its inputs while it is extended."""
        guard(self)
        for handle in self._inputs:
            handle.remove()
        hook = self.model.register_forward_pre_hook
        self._inputs = [hook(rewrite, with_kwargs=True) for rewrite in self._rewrites() if self.is_enabled]

    def _rewrites(self) -> Iterator[Callable[..., Any]]:
        """Functions that change the arguments of the model's forward pass."""
        if hasattr(self.family, "rewrite_inputs"):
            yield self.family.rewrite_inputs
        if self.config.frame_rate == "interpolated" and hasattr(self.family, "tell_frame_rate"):
            share = (self.base_frames - 1) / (self.config.num_frames - 1)
            yield partial(self.family.tell_frame_rate, share)

    def warn_of_changes(self) -> None:
        """Warns if tensors of the base's temporal sites have other values than when the model was extended."""
        self._sites.warn_of_changes()

    def fused_copies(self) -> list[str]:
        """Names of frozen weights in the extended modules that adapters were fused into for good."""
        return self._sites.fused_copies()

    def _check_mounted(self) -> None:
        if not self._is_mounted():
            raise ValueError("This extension was taken off its model: mount one with extend or load_extension.")

    def _is_mounted(self) -> bool:
        return extension_of(self.model) is self


def extension_of(model: Any) -> Extension | None:
    """The extension that is mounted on a model, or on the model of a pipeline; None if there is none."""
    return getattr(network_of(model), ATTRIBUTE, None)
