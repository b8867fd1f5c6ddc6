"""The mounted extension: which parameters of the model are its own, and the one file that holds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.weights import read_metadata, read_safetensors, write_safetensors

FORMAT = "exvideo-extension"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ExtensionHeader:
    """What an extension file says of itself.

    Args:
        family: kind of model, such as "svd".
        base_frames, num_frames: length of the base model and of the extended one, in frames.
        level: which parameters the file holds.
        base_config_hash: sha256 of the base's architecture.
        base_config: that architecture, so that a mismatch can say what differs.
    """

    family: str
    base_frames: int
    num_frames: int
    level: str
    base_config_hash: str
    base_config: dict[str, Any]


class Extension:
    """An extension mounted on a model by `extend` or `Extension.load`.

    Attributes:
        config: length and level.
        base_frames: frames of the base model.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: ExtensionConfig,
        family: ModuleType,
        base_frames: int,
        names: list[str],
        originals: dict[str, nn.Module],
        trained_before: set[str],
    ) -> None:
        self.model = model
        self.config = config
        self.family_name: str = family.NAME
        self.base_frames = base_frames
        self.names = names
        self.originals = originals
        self.trained_before = trained_before
        self._architecture: dict[str, Any] = family.architecture(model)
        self._is_dead = family.is_dead_with_one_token

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Every parameter that the level adapts, by its name in the model: what a file holds."""
        return {name: self.model.get_parameter(name) for name in self.names}

    def trainable_parameters(self, context_tokens: int | None = None) -> dict[str, nn.Parameter]:
        """The parameters to give to an optimizer, by name.

        Args:
            context_tokens: tokens that the model is conditioned on. With exactly one, as in Stable Video Diffusion,
                the queries, keys and norm of the temporal cross-attentions cannot learn; they are left out here and
                cease to require a gradient, since rounding noise in place of zero would make Adam walk at random.
        """
        parameters = self.named_parameters()
        if context_tokens != 1:
            return parameters
        for name in [name for name in parameters if self._is_dead(name)]:
            parameters.pop(name).requires_grad_(False)
        return parameters

    def header(self) -> ExtensionHeader:
        """What the file of this extension says of itself."""
        return ExtensionHeader(
            family=self.family_name,
            base_frames=self.base_frames,
            num_frames=self.config.num_frames,
            level=self.config.level,
            base_config_hash=architecture_hash(self._architecture),
            base_config=self._architecture,
        )

    def save(
        self, path: str | Path, *, tensors: Mapping[str, Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Writes the extension as one safetensors file, atomically.

        Args:
            path: file to write; folders on the way are made.
            tensors: values to write in place of some of the model's own, by name: an EMA, say.
            dtype: floating type in the file; None keeps each tensor's own.

        Raises:
            ValueError: `tensors` has a name or a shape that this extension does not.
        """
        values: dict[str, Tensor] = dict(self.named_parameters())
        _check_shapes(tensors or {}, values, f"the tensors for {path}")
        values.update(tensors or {})
        if dtype is not None:
            values = {name: value.to(dtype) for name, value in values.items()}
        header = self.header()
        metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "family": header.family,
            "base_frames": str(header.base_frames),
            "num_frames": str(header.num_frames),
            "level": header.level,
            "base_config_hash": header.base_config_hash,
            "base_config": json.dumps(header.base_config, sort_keys=True),
        }
        write_safetensors(path, values, metadata)

    def assign(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Copies a value into every parameter of the extension, each in the parameter's own dtype.

        Args:
            tensors: one value a parameter, by name.
            source: where they come from, for the error.

        Raises:
            ValueError: a tensor is missing, unknown, of another shape or not finite; no parameter was changed then.
        """
        parameters = self.named_parameters()
        missing = sorted(set(parameters) - set(tensors))
        if missing:
            raise ValueError(
                f"{source} lacks {len(missing)} tensors, {missing[0]!r} the first; save the extension again."
            )
        _check_shapes(tensors, parameters, source)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[name])

    @classmethod
    def load(cls, path: str | Path, model: nn.Module) -> "Extension":
        """Mounts the extension of a file on a base model.

        Args:
            path: file that `save` wrote.
            model: the base model, not extended.

        Raises:
            TypeError: no family knows the model's class.
            ValueError: the file is missing, truncated, not an extension, of a newer format, or of another base (the
                message says what differs); or the model is extended already. The model is then as it was.
        """
        from exvideo_blocks.families import family_of
        from exvideo_blocks.mount import extend, restore

        header = read_extension_header(path)
        family = family_of(model)
        _check_base(path, header, family.NAME, family.architecture(model))
        tensors, _ = read_safetensors(path)
        extension = extend(model, ExtensionConfig(num_frames=header.num_frames, level=header.level))
        try:
            extension.assign(tensors, str(path))
        except ValueError:
            restore(model)
            raise
        return extension


def read_extension_header(path: str | Path) -> ExtensionHeader:
    """What an extension file says of itself, without reading its tensors.

    Raises:
        ValueError: the file is missing, truncated, not an extension, or of a newer format.
    """
    metadata = read_metadata(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is a safetensors file but no ExVideo extension; give a file that Extension.save wrote."
        )
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path} has extension format {metadata.get('format_version')}, this version reads {FORMAT_VERSION}; "
            "install the exvideo-blocks that wrote it."
        )
    try:
        return ExtensionHeader(
            family=metadata["family"],
            base_frames=int(metadata["base_frames"]),
            num_frames=int(metadata["num_frames"]),
            level=metadata["level"],
            base_config_hash=metadata["base_config_hash"],
            base_config=json.loads(metadata["base_config"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} has an incomplete extension header ({error}); save the extension again.") from error


def architecture_hash(architecture: Mapping[str, Any]) -> str:
    """sha256 of an architecture written as canonical JSON."""
    return sha256(json.dumps(architecture, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_base(path: str | Path, header: ExtensionHeader, family: str, architecture: dict[str, Any]) -> None:
    if header.family != family:
        raise ValueError(
            f"{path} extends a model of family {header.family!r}, this one is {family!r}; load its own base."
        )
    if header.base_config_hash == architecture_hash(architecture):
        return
    keys = sorted(set(header.base_config) | set(architecture))
    differing = [key for key in keys if header.base_config.get(key) != architecture.get(key)]
    what = ", ".join(f"{key} {header.base_config.get(key)} there, {architecture.get(key)} here" for key in differing)
    raise ValueError(f"{path} was made for another base ({what}); load the base that it was trained on.")


def _check_shapes(tensors: Mapping[str, Tensor], parameters: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in tensors.items():
        if name not in parameters:
            raise ValueError(f"{source} has {name!r}, which this extension does not; check level and base.")
        if tensor.shape != parameters[name].shape:
            raise ValueError(
                f"{source} has {name!r} of shape {tuple(tensor.shape)}, the model has {tuple(parameters[name].shape)}; "
                "load the base that it was trained on."
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{source} has a value in {name!r} that is not finite; train or save it again.")
