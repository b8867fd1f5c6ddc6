"""The inverse of `pack`: runs that stand at their end, from the networks that ship, so that they can be trained on.

Unpack, raise a schedule's steps, train that network: the others are taken as they are. The optimizer starts anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from exvideo_eval import load_judges
from exvideo_infer import load_base
from exvideo_infer.bases.svd import SVDBase
from torch import Tensor, nn

from tiny_world.system import decoder, encoders, image, judges, vae, video
from tiny_world.system.encoders import Encoders
from tiny_world.system.pack import SYSTEM_FOLDER
from tiny_world.system.training_loop import CHECKPOINT, LOSSES, MOMENTS, Schedule


def unpack(root: Path) -> None:
    """Writes a checkpoint for each network of which there is no run under `root` yet."""
    base = load_base("embedded")
    assert isinstance(base, SVDBase)
    shipped_judges = load_judges()
    towers = Encoders()  # its heads and its scale do not ship: they begin anew
    towers.text.load_state_dict(base.text_encoder.state_dict())  # type: ignore[union-attr]
    towers.image.load_state_dict(base.image_encoder.state_dict())
    image_unet = image.build_image_unet()
    image_unet.load_state_dict(_only(SYSTEM_FOLDER / "text_to_image" / "unet"))
    runs: dict[str, tuple[Any, Schedule]] = {
        "vae": (base.vae, vae.SCHEDULE),
        "encoders": (towers, encoders.SCHEDULE),
        "decoder": (base.vae.decoder, decoder.SCHEDULE),
        "video": (base.unet, video.SCHEDULE),
        "image": (image_unet, image.SCHEDULE),
        "classifier": (shipped_judges.classifier, judges.CLASSIFIER),
        "matcher": (shipped_judges.matcher, judges.MATCHER),
    }
    for name, (network, schedule) in runs.items():
        write_finished_run(root / name, network, schedule.steps)


def write_finished_run(folder: Path, network: nn.Module, step: int) -> None:
    """A checkpoint at `step` with the network's weights, also as their average; an earlier one is kept."""
    if (folder / CHECKPOINT).exists():
        return
    weights = {name: parameter.detach().float() for name, parameter in network.named_parameters()}
    copies = {name: weight.clone() for name, weight in weights.items()}  # a file holds no tensor twice
    tensors = _prefixed("weights", weights) | _prefixed("average", copies)
    for moment in MOMENTS:
        tensors |= _prefixed(moment, {name: torch.zeros_like(weight) for name, weight in weights.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOSSES).write_text("")
    write_safetensors(folder / CHECKPOINT, tensors, {"step": str(step)})


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _only(folder: Path) -> dict[str, Tensor]:
    (path,) = folder.glob("*.safetensors")
    return read_safetensors(path)[0]
