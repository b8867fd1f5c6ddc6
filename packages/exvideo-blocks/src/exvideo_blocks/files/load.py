"""Mounting the extension of a file on its base, after checking that the model is the base it was made for."""

import json
from collections.abc import Iterable
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension
from exvideo_blocks.families import family_of, network_of
from exvideo_blocks.families.family import Family
from exvideo_blocks.files.header import ExtensionHeader, architecture_hash, read_extension_header
from exvideo_blocks.files.hub import locate
from exvideo_blocks.files.tensors import assign
from exvideo_blocks.files.weights import read_safetensors
from exvideo_blocks.mount import extend, restore
from exvideo_blocks.rotary import OFFSETS


def load_extension(model: Any, path: str | Path, *, revision: str | None = None) -> Extension:
    """Mounts the extension of a file, or of a repository of the Hugging Face hub, on a base model.

    Its values are rounded to the model's dtype.

    Args:
        model: the base model, not extended; or a pipeline of diffusers with it, such as a stock AnimateDiffPipeline.
        path: file that `save_extension` wrote, folder that `save_pretrained` wrote, or `user/name` on the hub. What
            exists here goes first.
        revision: branch, tag or commit on the hub; None for the main branch.

    Raises:
        TypeError: no family knows the model's class.
        ValueError: the file is missing, truncated, not an extension, of another format, or of another base (the
            message says what differs); a value is not finite, be it because the model's dtype cannot hold it; or the
            model cannot be extended, as `extend` says. The model is then as it was.
    """
    model = network_of(model)
    family = family_of(model)
    file = locate(path, revision)
    header = read_extension_header(file)
    _check_base(model, family, file, header)
    tensors, _ = read_safetensors(file)
    check_sizes(file, header.config, family, (tensor.shape for tensor in tensors.values()))
    config = header.config
    if any(name.endswith(OFFSETS) for name in tensors):  # learned on top of a start that goes by the base's length
        config = replace(config, base_frames=header.base_frames)
    extension = extend(model, config)
    try:
        assign(extension.named_parameters(), tensors, str(file))
    except BaseException:
        restore(model)
        raise
    extension.training = header.training
    return extension


def check_sizes(source: Path, config: ExtensionConfig, family: Family, shapes: Iterable[torch.Size]) -> None:
    """Raises ValueError if no tensor of a file has the rows that its configuration asks for.

    To be called before anything is mounted: a damaged number of frames would ask for as much memory.
    """
    sizes = {f"num_frames={config.num_frames}": family.rows(config.num_frames)}
    if config.level == "lora":
        sizes[f"lora_rank={config.lora_rank}"] = config.lora_rank
    rows = {shape[0] for shape in shapes if shape}
    for setting, size in sizes.items():
        if size not in rows:
            raise ValueError(
                f"{source} says {setting}, and none of its tensors has {size} rows: copy or save it again."
            )


def _check_base(model: nn.Module, family: Family, source: Path, header: ExtensionHeader) -> None:
    """Raises ValueError, saying what differs, if a file's extension was made for another base than this one.

    An option that only one of the two names, as they were written by different versions of diffusers, counts as its
    default in the other; one number counts as a list of that number a block.
    """
    architecture = family.architecture(model)
    if header.family != family.NAME:
        raise ValueError(
            f"{source} extends a model of family {header.family!r}, this one is {family.NAME!r}: load its own base."
        )
    if header.base_config_hash == architecture_hash(architecture):
        return
    defaults, differences = _defaults(type(model)), []
    for key in sorted(set(header.base_config) | set(architecture)):
        default = defaults.get(key, "absent")
        of_file, of_model = header.base_config.get(key, default), architecture.get(key, default)
        if not _is_same(of_file, of_model):
            differences.append(f"{key} {of_file} there, {of_model} here")
    if differences:
        raise ValueError(
            f"{source} was made for another base ({', '.join(differences)}): load the base that it was trained on."
        )


def _is_same(of_file: Any, of_model: Any) -> bool:
    if isinstance(of_file, list) != isinstance(of_model, list):
        several, one = (of_file, of_model) if isinstance(of_file, list) else (of_model, of_file)
        return bool(several) and all(item == one for item in several)
    return bool(of_file == of_model)


def _defaults(cls: type) -> dict[str, Any]:
    """The options of a class that have a default, and that default as a JSON value."""
    options = signature(cls).parameters.values()
    defaults = {option.name: option.default for option in options if option.default is not Parameter.empty}
    return {name: json.loads(json.dumps(value, default=str)) for name, value in defaults.items()}
