"""State dicts of authors' checkpoints, read without running any code, into the architectures of this package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exvideo_eval.features.published.i3d import InceptionI3d
from exvideo_eval.features.published.networks import I3D_400, VIDEOMAE_G, VJEPA_H, VJEPA_H_PROBE
from exvideo_eval.features.published.videomae import VideoMAE
from exvideo_eval.features.published.vjepa import VJepa

Weights = Mapping[str, Tensor]


def load_checkpoint(key: str, paths: Mapping[str, Path]) -> nn.Module:
    """The network of a key ("i3d-400", "videomae-g" or "vjepa-h") from its files by their keys, in evaluation mode.

    Raises:
        ValueError: a file is no checkpoint, holds more than tensors, or is of another architecture.
    """
    network, weights = _READERS[key](paths)
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{paths[key]} is of another architecture than {key!r}: {_first_line(error)}.") from error
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"{paths[key]} is of another architecture than {key!r}: it lacks {len(missing)} tensors "
            f"({', '.join(missing[:2])}) and has {len(unexpected)} unknown ones ({', '.join(unexpected[:2])})."
        )
    return network.float().eval().requires_grad_(False)


def _i3d(paths: Mapping[str, Path]) -> tuple[nn.Module, Weights]:
    return _empty(InceptionI3d), _read(paths[I3D_400])


def _videomae(paths: Mapping[str, Path]) -> tuple[nn.Module, Weights]:
    content = _read(paths[VIDEOMAE_G])
    for nested in ("model", "module"):
        content = content.get(nested, content)
    return _empty(VideoMAE), {name: value for name, value in content.items() if not name.startswith("head.")}


def _vjepa(paths: Mapping[str, Path]) -> tuple[nn.Module, Weights]:
    encoder = _read(paths[VJEPA_H])
    encoder = encoder.get("target_encoder", encoder.get("encoder", encoder))
    probe = _read(paths[VJEPA_H_PROBE])
    probe = probe.get("classifier", probe)
    weights = {f"encoder.{_bare(name)}": value for name, value in encoder.items()}
    weights |= {_bare(name): value for name, value in probe.items() if not _bare(name).startswith("linear.")}
    return _empty(VJepa), weights


_READERS = {I3D_400: _i3d, VIDEOMAE_G: _videomae, VJEPA_H: _vjepa}


def _empty(kind: type[nn.Module]) -> nn.Module:
    """A network without memory for weights, which are about to be loaded; only counters have some."""
    with torch.device("meta"):
        network = kind()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.num_batches_tracked = torch.zeros((), dtype=torch.long)
    return network


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpicklers' own errors are of many kinds
        raise ValueError(f"{path} is no checkpoint of tensors alone: {_first_line(error)}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no checkpoint: it holds a {type(content).__name__}, not tensors by name.")
    return content


def _bare(name: str) -> str:
    return name.replace("module.", "").replace("backbone.", "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
