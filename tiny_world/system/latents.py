"""Clips of the world as the video network sees them, encoded once and kept in files of a few hundred.

A part is keyed by the encoders' weights and by what the world's first clips look like, so that another encoder or a
changed world never meets an old part; another decoder does, and leaves them as they are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from exvideo_infer.encoders import embed_image
from exvideo_train.data.fingerprint import fingerprint
from torch import Tensor

from tiny_world.system.batches import clips_of
from tiny_world.system.side_by_side import PARTS

PART = 256  # clips a file
CHUNK = 32  # clips encoded at a time
SAMPLE = 64  # clips by which a world is known from another


@dataclass(frozen=True)
class Encoded:
    """Clips 0 to N - 1 of a split.

    Attributes:
        latents: (N, frames, channels, height, width), not scaled.
        embeddings: (N, 1, width): of each first frame.
    """

    latents: Tensor
    embeddings: Tensor


def encoded_clips(
    folder: Path,
    vae: Any,
    image_encoder: Any,
    num_clips: int,
    num_frames: int,
    split: str = "train",
    strides: Sequence[int] = (1,),
) -> Encoded:
    """Encodes what is not in the folder yet, and reads all of it into memory (fp16).

    Args:
        num_clips: a multiple of PART.
        strides: as of `clips_of`.
    """
    sample = clips_of(range(SAMPLE), num_frames, split, strides=strides).pixels
    world = sha256(sample.numpy().tobytes()).hexdigest()
    encoders = fingerprint(vae.encoder, vae.quant_conv, image_encoder)
    key = sha256((encoders + world).encode()).hexdigest()[:16]
    paths = [folder / f"{split}-{num_frames}-{key}-{number:04d}.safetensors" for number in range(num_clips // PART)]

    def encode(number: int) -> None:
        if not paths[number].exists():
            print(f"encoding {paths[number].name}", flush=True)
            write_safetensors(paths[number], _encode(vae, image_encoder, number, num_frames, split, strides), {})

    with ThreadPoolExecutor(PARTS) as pool:
        list(pool.map(encode, range(len(paths))))
    parts = [read_safetensors(path)[0] for path in paths]
    return Encoded(*(torch.cat([part[name] for part in parts]) for name in ("latents", "embeddings")))


@torch.no_grad()
def _encode(
    vae: Any, image_encoder: Any, number: int, num_frames: int, split: str, strides: Sequence[int]
) -> dict[str, Tensor]:
    from transformers import CLIPImageProcessor

    latents, embeddings = [], []
    for numbers in _chunks(number * PART):
        pixels = clips_of(numbers, num_frames, split, strides=strides).pixels
        given = pixels.flatten(0, 1).to(vae.device, vae.dtype)
        encoded = [vae.encode(chunk).latent_dist.mode() for chunk in given.split(16)]
        latents.append(torch.cat(encoded).unflatten(0, pixels.shape[:2]).half().cpu())
        embeddings.append(embed_image(image_encoder, CLIPImageProcessor(), pixels[:, 0]).half().cpu())
    return {"latents": torch.cat(latents), "embeddings": torch.cat(embeddings)}


def _chunks(first: int) -> Iterator[range]:
    return (range(start, start + CHUNK) for start in range(first, first + PART, CHUNK))
