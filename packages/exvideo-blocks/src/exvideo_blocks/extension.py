"""The mounted extension: which parameters of the model are its own, switched on and off, saved and loaded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_blocks.base_check import check_base
from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.header import ExtensionHeader, architecture_hash, check_sizes, read_extension_header
from exvideo_blocks.hub import FILE_NAME, check_id, locate, upload
from exvideo_blocks.sites import Sites
from exvideo_blocks.values import assign, values_for
from exvideo_blocks.weights import read_safetensors, write_safetensors

if TYPE_CHECKING:
    from exvideo_blocks.families.family import Family
    from exvideo_blocks.summary import Summary


class Extension:
    """An extension mounted on a model by `extend` or `Extension.load`.

    Attributes:
        model: what it is mounted on.
        config: length and level.
        family_name: kind of model, such as "svd".
        base_frames: frames of the base model.
        names: names in the model of the parameters that the level adapts.
        originals: the base's own temporal sites by name, which `restore` puts back.
        trained_before: names of the model's parameters that required a gradient before it was extended.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: ExtensionConfig,
        family: "Family",
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
        self._sites = sites
        self._architecture: dict[str, Any] = family.architecture(model)
        self._is_dead = family.is_dead_with_one_token

    def sites(self) -> dict[str, nn.Module]:
        """The extended temporal sites by name, whether they are in the model at present or not."""
        return self._sites.extended()

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Every parameter that the level adapts, by its name in the model: what a file holds.

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
                "first): adapters were put on this model after it was extended; delete them first."
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
        return [name for name in self.names if self._is_dead(name)] if context_tokens == 1 else []

    def summary(self, context_tokens: int | None = None) -> "Summary":
        """Parameters by group, bytes of the file, memory of a training step's state; print it for a table.

        Args:
            context_tokens: as in `trainable_parameters`: what cannot learn has no gradient and no moments.
        """
        from exvideo_blocks.summary import summarize

        return summarize(self, context_tokens)

    def header(self) -> ExtensionHeader:
        """What the file of this extension says of itself."""
        return ExtensionHeader(
            family=self.family_name,
            base_frames=self.base_frames,
            config=self.config,
            base_config_hash=architecture_hash(self._architecture),
            base_config=self._architecture,
        )

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
            raise ValueError("This extension was taken off its model; mount one with extend or Extension.load.")
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
        from exvideo_blocks.mount import extension_of

        return extension_of(self.model) is self

    # --- files ---------------------------------------------------------------------------------------------------

    def save(
        self, path: str | Path, *, tensors: Mapping[str, Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Writes the extension as one safetensors file, atomically.

        Args:
            path: file to write; folders on the way are made.
            tensors: values to write in place of some of the model's own, by name: an EMA, say.
            dtype: torch.float32, torch.bfloat16 or torch.float16 in the file; None keeps each tensor's own.

        Raises:
            ValueError: `tensors` has a name or a shape that this extension does not, a value is not finite, be it
                because `dtype` cannot hold it, the model is on the meta device, or the path is a folder. Nothing is
                written then.
        """
        write_safetensors(path, values_for(path, self.named_parameters(), tensors, dtype), self.header().metadata())

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        repo_id: str | None = None,
        base_model: str | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Writes `extension.safetensors` and a model card, README.md, to a folder, in the form that the hub shows.

        Args:
            folder: where to; made if it is not there. `Extension.load(folder, model)` reads it.
            repo_id: `user/name` on the hub, for the card's title and its lines on loading.
            base_model: path or hub id of the base, for the card; None takes the one that the model was loaded from,
                if that is a hub id.
            tensors, dtype: as in `save`.

        Raises:
            ValueError: as `save`.
        """
        from exvideo_blocks.model_card import write_model_card

        file = Path(folder) / FILE_NAME
        self.save(file, tensors=tensors, dtype=dtype)
        write_model_card(self, file, repo_id=repo_id, base_model=base_model)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        revision: str | None = None,
        base_model: str | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> str:
        """Publishes the extension and its model card as a repository of the Hugging Face hub.

        Args:
            repo_id: `user/name`; made if it is not there.
            private: whether a new repository is visible to its owner only.
            revision: branch to commit to; None for the main one.
            base_model, tensors, dtype: as in `save_pretrained`.

        Returns:
            The repository's address.

        Raises:
            ValueError: as `save`; or the id is none, or the hub refused or could not be reached.
        """
        check_id(repo_id)
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, repo_id=repo_id, base_model=base_model, tensors=tensors, dtype=dtype)
            return upload(Path(folder), repo_id, private=private, revision=revision)

    @classmethod
    def load(cls, path: str | Path, model: nn.Module, *, revision: str | None = None) -> "Extension":
        """Mounts the extension of a file, or of a repository of the Hugging Face hub, on a base model.

        Its values are rounded to the model's dtype.

        Args:
            path: file that `save` wrote, folder that `save_pretrained` wrote, or `user/name` on the hub. What exists
                here goes first.
            model: the base model, not extended.
            revision: branch, tag or commit on the hub; None for the main branch.

        Raises:
            TypeError: no family knows the model's class.
            ValueError: the file is missing, truncated, not an extension, of another format, or of another base (the
                message says what differs); a value is not finite, be it because the model's dtype cannot hold it; or
                the model cannot be extended, as `extend` says. The model is then as it was.
        """
        from exvideo_blocks.families import family_of
        from exvideo_blocks.mount import extend, restore

        family = family_of(model)
        file = locate(path, revision)
        header = read_extension_header(file)
        check_base(file, header, family.NAME, family.architecture(model), type(model))
        tensors, _ = read_safetensors(file)
        check_sizes(file, header.config, (tensor.shape for tensor in tensors.values()))
        extension = extend(model, header.config)
        try:
            assign(extension.named_parameters(), tensors, str(file))
        except ValueError:
            restore(model)
            raise
        return extension
