"""The low-rank updates of an extension in diffusers' own format, for stock pipelines, and back from it."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension
from exvideo_blocks.families import network_of
from exvideo_blocks.files.diffusers_lora_card import lora_card
from exvideo_blocks.files.tensors import assign, values_for
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from exvideo_blocks.layers import PositionTable
from exvideo_blocks.mount import extend, restore

FILE_NAME = "pytorch_lora_weights.safetensors"  # that diffusers looks for in a folder
PREFIX = "transformer."
_POSITIONS, _TABLES = "exvideo_positions", "exvideo_tables"  # in the metadata
_OURS, _THEIRS = ".default.weight", ".weight"


def export_lora(
    extension: Extension, folder: str | Path, *, base_model: str | None = None, dtype: torch.dtype | None = None
) -> Path:
    """Writes the low-rank updates of an extension as a LoRA that `load_lora_weights` of its stock pipeline takes.

    Stock diffusers gives every frame its own position, continued, and no offset. Where the extension has others, the
    file and the card beside it say so, and a warning does; they are in the file's metadata, from which `import_lora`
    brings them back.

    Args:
        extension: of a transformer, at the level `lora`.
        folder: made if it is not there; the file is `pytorch_lora_weights.safetensors`, the card README.md.
        base_model: path or hub id of the base, for the card.
        dtype: torch.float32, torch.bfloat16 or torch.float16 of the updates; None keeps their own.

    Returns:
        The file.

    Raises:
        ValueError: the level or the family adapts more than a LoRA can hold; or as `save_extension`.
    """
    extension.check_whole()
    tables = _tables(extension)
    others = [name for name in extension.names if not _is_update(name) and name not in tables]
    updates = [name for name in extension.names if _is_update(name)]
    if others or not updates:
        raise ValueError(
            f"level={extension.config.level!r} of a {extension.family_name} model is no LoRA of diffusers: extend a "
            "transformer (Wan, HunyuanVideo, LTX-Video, CogVideoX) at the level 'lora', or save the extension "
            "(save_extension)."
        )
    file, parameters = Path(folder) / FILE_NAME, extension.named_parameters()
    values = values_for(file, {name: parameters[name] for name in updates}, None, dtype)
    positions = _positions(extension)
    if not positions["stock"]:
        warnings.warn(
            f"Stock diffusers cannot give the positions of this extension ({positions['why']}), so that the exported "
            "LoRA computes something else there: load it by exvideo_blocks.import_lora to have them.",
            stacklevel=2,
        )
    metadata = {"format": "pt", _POSITIONS: json.dumps(positions, sort_keys=True)}
    metadata[_TABLES] = json.dumps({name: parameters[name].detach().float().cpu().tolist() for name in tables})
    write_safetensors(file, {_exported(name): value for name, value in values.items()}, metadata)
    card = lora_card(extension, positions, base_model=base_model, file_bytes=file.stat().st_size)
    file.with_name("README.md").write_text(card, encoding="utf-8")
    return file


def import_lora(model: Any, path: str | Path, config: ExtensionConfig | None = None) -> Extension:
    """Mounts a LoRA in diffusers' format as an extension at the level `lora`.

    Args:
        model: the base model, not extended, or a pipeline of diffusers with it.
        path: the file, or a folder with it.
        config: how far, and which positions: of a file that somebody else wrote. Its rank is the file's. None takes
            what `export_lora` has put in the file.

    Raises:
        TypeError: no family knows the model's class.
        ValueError: the file says nothing of its length and no `config` is given, or both; its tensors are not those of
            the level `lora`; or as `extend`. The model is then as it was.
    """
    model = network_of(model)
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    tensors, metadata = read_safetensors(file)
    if (_POSITIONS in metadata) == (config is not None):
        raise ValueError(
            f"{file} says by itself how it was made, so leave config out."
            if config is not None
            else f"{file} does not say how many frames it is for: give config=ExtensionConfig(num_frames=..., "
            'level="lora", positions="continued").'
        )
    updates = _scaled(file, tensors)
    options = asdict(config) if config else json.loads(metadata[_POSITIONS])["config"]
    rank = max((tensor.shape[0] for name, tensor in updates.items() if ".lora_A." in name), default=1)
    extension = extend(model, ExtensionConfig(**options | {"level": "lora", "lora_rank": rank}))
    try:
        tables = {name: table.weight.detach() for name, table in _tables(extension).items()}
        tables |= {name: torch.tensor(rows) for name, rows in json.loads(metadata.get(_TABLES, "{}")).items()}
        assign(extension.named_parameters(), updates | tables, str(file))
    except BaseException:
        restore(model)
        raise
    return extension


def _is_update(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name


def _exported(name: str) -> str:
    return PREFIX + name.removesuffix(_OURS) + _THEIRS


def _tables(extension: Extension) -> dict[str, PositionTable]:
    """The extension's tables of positions, by the name of their parameter."""
    return {
        f"{at}.{name}.weight": module
        for at, site in extension.sites().items()
        for name, module in site.named_modules()
        if isinstance(module, PositionTable)
    }


def _positions(extension: Extension) -> dict[str, Any]:
    """Settings that the positions come from, and the reasons, if any, why a stock pipeline cannot give them."""
    config, learned = extension.config, False
    for at, site in extension.sites().items():
        tables = {name: module for name, module in site.named_modules() if isinstance(module, PositionTable)}
        if tables:
            fresh = extension.family.extended_site(extension.originals[at], config, extension.base_frames)
            for name, table in tables.items():
                start = fresh.get_submodule(name).get_parameter("weight").to(table.weight)
                learned |= not torch.equal(start, table.weight)
    reasons = [config.positions] * (config.positions != "continued") + ["what they learned"] * learned
    mounted = asdict(config) | {"base_frames": extension.base_frames}
    return {
        "family": extension.family_name, "config": mounted, "stock": not reasons, "why": " and ".join(reasons),
    }  # fmt: skip


def _scaled(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Updates by their names in files of ours, at a scale of 1: alpha / rank is multiplied into the second factor."""
    strange = [name for name in tensors if not name.startswith(PREFIX)]
    if strange:
        raise ValueError(
            f"{file} has tensors that are not named as diffusers names those of a transformer ({strange[0]} is the "
            "first): load it by the stock pipeline's load_lora_weights and save it by save_lora_weights first."
        )
    updates = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.removeprefix(PREFIX).rpartition(".lora_")
        if not layer:
            continue
        alpha = tensors.get(f"{PREFIX}{layer}.alpha")
        if alpha is not None and kind.startswith("B"):
            tensor = (tensor.float() * (alpha.float() / tensor.shape[1])).to(tensor.dtype)
        updates[f"{layer}.lora_{kind.removesuffix(_THEIRS)}{_OURS}"] = tensor
    return updates
