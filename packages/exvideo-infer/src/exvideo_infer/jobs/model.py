"""The model that clips are asked of: its choice, device and dtype, and its hash."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ModelChoice:
    """A base and all that is done to it before the first clip, as the options of the commands name it.

    Args:
        base: "embedded", a folder or a hub id.
        extension: file, folder or hub id; None samples the base directly.
        extension_2: of a mixture of two experts, the extension of the second one.
        text_to_image: folder or hub id of what makes first frames; None for the base's own, if any.
        device: "auto": a GPU where there is one, of those that torchrun has dealt, else the CPU.
        dtype: "auto": float16 on a GPU, else float32.
        attention_backend: of the extension's attention; None leaves it.
        compile_blocks: as `exvideo_blocks.compile_blocks` does.
        decode_tile_size: pixels along the side of tiles that pictures are decoded in; None decodes them whole.
        guidance_apart: both halves of guidance are asked for one after the other, for half the activations.
        unload_unet: the UNet rests in main memory while frames are decoded.
    """

    base: str | Path = "embedded"
    extension: str | Path | None = None
    text_to_image: str | Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    attention_backend: str | None = None
    compile_blocks: bool = False
    decode_tile_size: int | None = None
    guidance_apart: bool = False
    unload_unet: bool = False
    extension_2: str | Path | None = None


def choose_device(name: str) -> "torch.device":
    """The device of a name; "auto" takes the GPU of the process's LOCAL_RANK, or the CPU where there is none.

    Raises:
        ValueError: it is not on this machine.
    """
    import torch

    if name == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # an unknown name; a kind that is not here; an index too high
        raise ValueError(f"--device {name} is not on this machine: give auto, cpu, or a device that is.") from error
    return torch.device(name)


def choose_dtype(name: str, device: "torch.device") -> "torch.dtype":
    """The dtype of a name; "auto" is float16 on a GPU and float32 elsewhere."""
    import torch

    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def model_hash(parts: Mapping[str, Any]) -> str:
    """A hash of the weights of a model's networks, in their dtypes, and of all parts' configurations.

    Args:
        parts: networks, schedulers, preprocessors by name; an extension's tensors are those of the network it is on.
            A part that is None counts as none.
    """
    import torch

    digest = hashlib.blake2b(digest_size=20)
    for name, part in sorted(parts.items()):
        if part is None:
            continue
        config: Any = getattr(part, "config", None)
        values = config.to_dict() if hasattr(config, "to_dict") else dict(config) if isinstance(config, Mapping) else {}
        kept = {key: value for key, value in values.items() if key != "_name_or_path"}
        digest.update(f"{name} {type(part).__name__} {json.dumps(kept, sort_keys=True, default=str)}".encode())
        if isinstance(part, torch.nn.Module):
            for key, tensor in part.state_dict().items():
                add_tensor(digest, key, tensor)
    return digest.hexdigest()


def add_tensor(digest: "hashlib.blake2b", name: str, tensor: "torch.Tensor") -> None:
    """Adds a tensor to a hash: its name, dtype, shape and bits."""
    import torch

    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
