"""The low-rank updates of an extension in diffusers' own format, for stock pipelines, and back from it."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.extension import Extension
from exvideo_blocks.families import family_of, network_of
from exvideo_blocks.files.diffusers_lora_card import lora_card
from exvideo_blocks.files.load import check_sizes
from exvideo_blocks.files.tensors import assign, values_for
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from exvideo_blocks.layers import PositionTable
from exvideo_blocks.mount import extend, restore

FILE_NAME = "pytorch_lora_weights.safetensors"  # that diffusers looks for in a folder
PREFIX = "transformer."
_POSITIONS, _TABLES = "exvideo_positions", "exvideo_tables"  # in the metadata
_ADAPTER = "lora_adapter_metadata"  # diffusers' own: the settings of peft's LoraConfig
_ALPHA = ".alpha"
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
        ValueError: the file says nothing of its length and no `config` is given, or both; it is of another family, or
            damaged; its tensors are not those of the level `lora`; or as `extend`. The model is then as it was.
    """
    model = network_of(model)
    family = family_of(model)
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    tensors, metadata = read_safetensors(file)
    if (_POSITIONS in metadata) == (config is not None):
        raise ValueError(
            f"{file} says by itself how it was made, so leave config out."
            if config is not None
            else f"{file} does not say how many frames it is for: give config=ExtensionConfig(num_frames=..., "
            'level="lora", positions="continued").'
        )
    said = _said(file, metadata)
    if said.family not in (None, family.NAME):
        raise ValueError(
            f"{file} extends a model of family {said.family!r}, this one is {family.NAME!r}: load its own base."
        )
    updates = _scaled(file, tensors, said)
    rank = max((tensor.shape[0] for name, tensor in updates.items() if ".lora_A." in name), default=1)
    if said.config:
        check_sizes(file, said.config, family, (tensor.shape for tensor in (*updates.values(), *said.tables.values())))
    given = config or said.config
    assert given is not None
    extension = extend(model, replace(given, level="lora", lora_rank=rank))
    try:
        tables = {name: table.weight.detach() for name, table in _tables(extension).items()}
        assign(extension.named_parameters(), updates | tables | said.tables, str(file))
    except BaseException:
        restore(model)
        raise
    extension.training = said.training
    return extension


@dataclass(frozen=True)
class _Said:
    """The metadata of a file: ours of positions, None or none in others' files; and diffusers' own of scales.

    Args:
        training: as `Extension.training`.
        alpha: of `LoraConfig`, for all layers; None for their rank.
        alphas: of layers whose name ends in a pattern, a regular expression.
        by_root: the scale is alpha / sqrt(rank), in place of alpha / rank (rsLoRA, arXiv 2312.03732).
    """

    family: str | None = None
    config: ExtensionConfig | None = None
    tables: dict[str, Tensor] = field(default_factory=dict)
    training: dict[str, Any] | None = None
    alpha: float | None = None
    alphas: Mapping[str, float] = field(default_factory=dict)
    by_root: bool = False

    def scale(self, layer: str, rank: int) -> float:
        """The factor of a layer's update."""
        own = (alpha for pattern, alpha in self.alphas.items() if re.fullmatch(_ending(pattern), layer))
        alpha = next(own, rank if self.alpha is None else self.alpha)
        return alpha / (rank**0.5 if self.by_root else rank)


def _ending(pattern: str) -> str:
    return rf"(.*\.)?({pattern})"


def _said(file: Path, metadata: Mapping[str, str]) -> _Said:
    try:
        objects = {key: json.loads(metadata.get(key, "{}")) for key in (_POSITIONS, _TABLES, _ADAPTER)}
        if not all(isinstance(value, dict) for value in objects.values()):
            raise ValueError(f"{_POSITIONS}, {_TABLES} and {_ADAPTER} must be JSON objects")
        positions, tables, adapter = objects.values()
        if not isinstance(positions.get("training"), dict | None):
            raise ValueError("training must be a JSON object")
        alpha, alphas = (adapter.get(PREFIX + key) for key in ("lora_alpha", "alpha_pattern"))
        said = _Said(
            family=positions.get("family"),
            config=ExtensionConfig(**positions["config"]) if _POSITIONS in metadata else None,
            tables={name: torch.tensor(rows, dtype=torch.float32) for name, rows in tables.items()},
            training=positions.get("training"),
            alpha=None if alpha is None else float(alpha),
            alphas={pattern: float(value) for pattern, value in (alphas or {}).items() if re.compile(_ending(pattern))},
            by_root=bool(adapter.get(PREFIX + "use_rslora")),
        )
        if not all(value > 0 for value in (*said.alphas.values(), 1 if said.alpha is None else said.alpha)):
            raise ValueError("lora_alpha must be above 0")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, re.error) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{file} has damaged metadata ({reason}): copy or save it again.") from error
    return said


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
        "training": extension.training,
    }  # fmt: skip


def _scaled(file: Path, tensors: Mapping[str, Tensor], said: _Said) -> dict[str, Tensor]:
    """Updates by their names in files of ours, at a scale of 1: that of the file is multiplied into the second factor.

    It is alpha / rank of the layer's own alpha, where there is one, else as the metadata has it.
    """
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
            if not name.endswith(_ALPHA):  # check_tensors names it
                updates[name.removeprefix(PREFIX)] = tensor
            continue
        if kind.startswith("B") and tensor.ndim == 2:
            alpha, rank = tensors.get(f"{PREFIX}{layer}{_ALPHA}"), tensor.shape[1]
            scale = said.scale(layer, rank) if alpha is None else alpha.float() / rank
            tensor = (tensor.float() * scale).to(tensor.dtype)
        updates[f"{layer}.lora_{kind.removesuffix(_THEIRS)}{_OURS}"] = tensor
    return updates
