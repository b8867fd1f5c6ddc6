"""From latents to frames, a few at a time, so that memory does not grow with the length of the clip."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_infer.placement import exclusive, execution_device
from exvideo_infer.sampler import check_finite

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


def decode_frames(vae: "AutoencoderKLTemporalDecoder", latents: Tensor, chunk_size: int = 8) -> Iterator[Tensor]:
    """Decodes one clip and yields its frames; no more than one chunk of frames is held.

    The decoder mixes the frames of a chunk over time, so that the result depends on `chunk_size`: chunks start at
    multiples of it, as in diffusers' `StableVideoDiffusionPipeline.decode_latents`.

    Args:
        vae: the base model's autoencoder.
        latents: (frames, channels, height, width), in the network's scale.
        chunk_size: frames decoded together.

    Yields:
        fp32 (3, height * scale, width * scale), in [0, 1].

    Raises:
        ValueError: if `chunk_size` is below 1.
        NotFiniteError: frames are not finite.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}: at least one frame has to be decoded at a time.")
    for chunk in torch.split(latents, chunk_size):
        # Not as a decorator: that would keep gradients off in the caller between two frames.
        with torch.no_grad(), exclusive(vae):
            scaled = (1 / vae.config.scaling_factor * chunk).to(execution_device(vae), vae.dtype)
            decoded = vae.decode(scaled, num_frames=chunk.shape[0]).sample.float()
        check_finite(decoded, "a decoded frame", vae.dtype)
        yield from (decoded * 0.5 + 0.5).clamp(0, 1)


def to_uint8(frame: Tensor) -> NDArray[np.uint8]:
    """A (3, height, width) frame in [0, 1] as (height, width, 3) in 0..255, rounded."""
    pixels: NDArray[np.uint8] = (frame.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    return pixels


def decode_clips(
    vae: "AutoencoderKLTemporalDecoder", latents: Tensor, chunk_size: int = 8, output_type: str = "pil"
) -> Any:
    """Decodes a batch of clips, each by itself, so that a batch of two equals two of one.

    Args:
        vae: the base model's autoencoder.
        latents: (batch, frames, channels, height, width), in the network's scale.
        chunk_size: frames decoded together.
        output_type: "pil": a list of PIL images a clip; "np": fp32 (batch, frames, height, width, 3) in [0, 1];
            "pt": fp32 (batch, frames, 3, height, width) in [0, 1]; "latent": the latents as they are.
    """
    if output_type == "latent":
        return latents
    clips = (decode_frames(vae, clip, chunk_size) for clip in latents)
    if output_type == "pil":
        from PIL import Image

        return [[Image.fromarray(to_uint8(frame)) for frame in clip] for clip in clips]
    frames: Tensor | None = None  # made once, where they are to stay
    for number, clip in enumerate(clips):
        for place, frame in enumerate(clip):
            if frames is None:
                device = frame.device if output_type == "pt" else "cpu"
                frames = torch.empty(*latents.shape[:2], *frame.shape, device=device)
            frames[number, place] = frame
    assert frames is not None
    return frames if output_type == "pt" else frames.permute(0, 1, 3, 4, 2).numpy()
