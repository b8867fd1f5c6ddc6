"""The mounted extension: which parameters of the model are its own, and whether they are in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families import FAMILIES
from exvideo_blocks.families.family import Family
from exvideo_blocks.sites import Sites

ATTRIBUTE = "_exvideo_extension"  # of an extended model


class Extension:
    """An extension mounted on a model by `extend` or `load_extension`.

    Attributes:
        model: the extended model.
        config: length and level.
        family_name: kind of model, such as "svd".
        base_frames: frames of the base model.
        names: names in the model of the parameters that the level adapts.
        originals: the base's own temporal sites by name, which `restore` puts back.
        trained_before: names of the model's parameters that required a gradient before it was extended.
        architecture: the part of the base's config that decides whether an extension's tensors fit.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: ExtensionConfig,
        family: Family,
        base_frames: int,
        sites: Sites,
        names: list[str],
        trained_before: set[str],
    ) -> None:
        self.model = model
        self.config = config
        self.family_name: str = family.NAME
        self.base_frames = base_frames
        self.names = names
        self.originals = sites.originals
        self.trained_before = trained_before
        self.architecture: dict[str, Any] = family.architecture(model)
        self._sites = sites

    @property
    def family(self) -> Family:
        """The model's family. By name, as a module, which a family may be, could not be copied with the model."""
        return FAMILIES[self.family_name]

    def sites(self) -> dict[str, nn.Module]:
        """The extended temporal sites by name, whether they are in the model at present or not."""
        return self._sites.extended()

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Every parameter that the level adapts, by its name in the model: the content of a file.

        Raises:
            ValueError: some are under other names, since adapters were put on the model after it was extended.
        """
        parameters = {
            f"{site_name}.{name}": parameter
            for site_name, site in self.sites().items()
            for name, parameter in site.named_parameters(remove_duplicate=False)
        }
        missing = [name for name in self.names if name not in parameters]
        if missing:
            raise ValueError(
                f"{len(missing)} parameters of this extension are not under their names any more ({missing[0]} is the "
                "first), as adapters were put on this model after it was extended: delete them first."
            )
        return {name: parameters[name] for name in self.names}

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

    def dead_names(self, context_tokens: int | None = None) -> list[str]:
        """Names of adapted parameters that cannot learn when the model is conditioned on so many tokens."""
        return self.family.dead_names(self.names, context_tokens)

    # --- on and off ----------------------------------------------------------------------------------------------

    @property
    def is_enabled(self) -> bool:
        """False while the base's own modules stand in the model."""
        return self._sites.are_extended

    def disable(self) -> None:
        """Puts the base's own modules in the model; the extended ones wait, with all they have learnt, for `enable`.

        The model computes what the frozen base does. Does nothing if the extension is disabled already.
        """
        self._sites.put_originals()

    def enable(self) -> None:
        """Puts the extended modules back after `disable`; does nothing if they are in the model already.

        Where the model was moved or cast meanwhile, they follow it; else no bit of them changes.

        Raises:
            ValueError: the extension was taken off its model.
        """
        if not self._is_mounted():
            raise ValueError("This extension was taken off its model: mount one with extend or load_extension.")
        self._sites.put_extended()

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

    def _is_mounted(self) -> bool:
        return extension_of(self.model) is self


def extension_of(model: nn.Module) -> Extension | None:
    """The extension that is mounted on a model, or None."""
    return getattr(model, ATTRIBUTE, None)
