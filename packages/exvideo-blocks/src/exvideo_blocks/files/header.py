"""The header of an extension file, metadata of its safetensors: enough to mount it, or to refuse it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension
from exvideo_blocks.files.hub import locate
from exvideo_blocks.files.weights import read_metadata

FORMAT = "exvideo-extension"
FORMAT_VERSION = 2


@dataclass(frozen=True)
class ExtensionHeader:
    """The header of an extension file.

    Args:
        family: kind of model, such as "svd".
        base_frames: length of the base model, in frames; for information, not compared with a model's.
        config: what was mounted, every field of it.
        base_config_hash: sha256 of the base's architecture.
        base_config: that architecture, so that a mismatch can say what differs.
        training: how it was trained, as the trainer has put it; None where the file does not say. exvideo-train writes
            `fps`, `sizes`, `lengths` where there are several and, as arguments of the sampler, `sampling`. Readers of
            before pass it over.
    """

    family: str
    base_frames: int
    config: ExtensionConfig
    base_config_hash: str
    base_config: dict[str, Any]
    training: dict[str, Any] | None = None

    def metadata(self) -> dict[str, str]:
        """The header as the metadata of a safetensors file: text only."""
        training = {} if self.training is None else {"training": json.dumps(self.training, sort_keys=True)}
        return training | {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "written_by": f"exvideo-blocks {version('exvideo-blocks')}",
            "family": self.family,
            "base_frames": str(self.base_frames),
            "config": json.dumps(asdict(self.config), sort_keys=True),
            "base_config_hash": self.base_config_hash,
            "base_config": json.dumps(self.base_config, sort_keys=True),
        }


def header_of(extension: Extension) -> ExtensionHeader:
    """The header of the file that `save_extension` would write."""
    return ExtensionHeader(
        family=extension.family_name,
        base_frames=extension.base_frames,
        config=extension.config,
        base_config_hash=architecture_hash(extension.architecture),
        base_config=extension.architecture,
        training=extension.training,
    )


def read_extension_header(path: str | Path, revision: str | None = None) -> ExtensionHeader:
    """Reads the header of an extension file, without its tensors.

    Args:
        path: file, folder with one, or id on the Hugging Face hub, as `load_extension` takes it. From the hub the whole
            file is downloaded first.
        revision: branch, tag or commit on the hub; None for the main branch.

    Raises:
        ValueError: the file is missing, truncated, not an extension, or of another format.
    """
    path = locate(path, revision)
    metadata = read_metadata(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is a safetensors file but no ExVideo extension: give a file that save_extension wrote."
        )
    found, writer = metadata.get("format_version"), metadata.get("written_by", "the exvideo-blocks that wrote it")
    if found != str(FORMAT_VERSION):
        raise ValueError(
            f"{path} has extension format {found}, this version reads {FORMAT_VERSION}: install {writer}, "
            "or make the extension again with this version."
        )
    try:
        return _parse(metadata)
    except _UnknownSettingError as error:
        raise ValueError(f"{path} has settings that this version does not know ({error}): install {writer}.") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} has a damaged extension header ({reason}): copy or save it again.") from error


class _UnknownSettingError(Exception):
    """Names of settings that a newer version of this package has added."""


def _parse(metadata: Mapping[str, str]) -> ExtensionHeader:
    options, base_config = json.loads(metadata["config"]), json.loads(metadata["base_config"])
    training = json.loads(metadata["training"]) if "training" in metadata else None
    if not isinstance(options, dict) or not isinstance(base_config, dict) or not isinstance(training, dict | None):
        raise ValueError("config, base_config and training must be JSON objects")
    if metadata["base_config_hash"] != architecture_hash(base_config):
        raise ValueError("base_config does not have the hash beside it")
    unknown = set(options) - {field.name for field in fields(ExtensionConfig)}
    if unknown:
        raise _UnknownSettingError(", ".join(sorted(unknown)))
    config = ExtensionConfig(**{name: _frozen(value) for name, value in options.items()})
    return ExtensionHeader(
        family=metadata["family"],
        base_frames=int(metadata["base_frames"]),
        config=config,
        base_config_hash=metadata["base_config_hash"],
        base_config=base_config,
        training=training,
    )


def _frozen(value: Any) -> Any:
    # JSON has no tuples; a frozen configuration has no lists.
    return tuple(value) if isinstance(value, list) else value


def architecture_hash(architecture: Mapping[str, Any]) -> str:
    """sha256 of an architecture written as canonical JSON."""
    return sha256(json.dumps(architecture, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
