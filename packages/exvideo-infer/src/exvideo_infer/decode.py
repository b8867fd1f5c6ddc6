"""From latents to frames, a few at a time, so that memory does not grow with the length of the clip."""

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_infer.placement import exclusive, execution_device
from exvideo_infer.sampler import check_finite
from exvideo_infer.tiled_decoder import decode_tiled

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder

OUTPUT_TYPES = ("pil", "np", "pt", "latent")
STREAMED, OVERLAP = 16, 6  # frames of a chunk that is streamed, and those that it shares with the one before


def decode_frames(
    vae: "AutoencoderKLTemporalDecoder",
    latents: Tensor,
    chunk_size: int = 8,
    overlap: int = 0,
    tile_size: int | None = None,
) -> Iterator[Tensor]:
    """Decodes one clip and yields its frames; no more than one chunk of frames is held, and what the next one shares.

    The decoder mixes the frames of a chunk over time, so that the result depends on `chunk_size`. Without an overlap
    chunks start at multiples of it, as in diffusers' `StableVideoDiffusionPipeline.decode_latents`, and the picture
    jumps between two. With one, each chunk has `chunk_size` frames, the last one too, and what two share is blended
    from the first to the second.

    Args:
        vae: the base model's autoencoder.
        latents: (frames, channels, height, width), in the network's scale.
        chunk_size: frames decoded together.
        overlap: frames that a chunk shares with the one before.
        tile_size: pixels along the side of the tiles that a chunk is decoded in; None decodes whole pictures.

    Yields:
        fp32 (3, height * scale, width * scale), in [0, 1].

    Raises:
        ValueError: if `chunk_size` is below 1, the overlap is not below it, or tiles are too small.
        NotFiniteError: frames are not finite.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}: at least one frame has to be decoded at a time.")
    check_overlap(overlap, chunk_size)
    starts = _starts(len(latents), chunk_size, overlap)
    shared: Tensor | None = None  # of the chunk before
    for start, following in zip(starts, [*starts[1:], len(latents)], strict=True):
        chunk = latents[start : start + chunk_size]
        # Not as a decorator: that would keep gradients off in the caller between two frames.
        with torch.no_grad(), exclusive(vae):
            scaled = (1 / vae.config.scaling_factor * chunk).to(execution_device(vae), vae.dtype)
            if tile_size is None:
                decoded = vae.decode(scaled, num_frames=chunk.shape[0]).sample.float()
            else:
                decoded = decode_tiled(vae, scaled, tile_size).float()
        check_finite(decoded, "a decoded frame", vae.dtype)
        if shared is not None and len(shared):
            ramp = torch.arange(1, len(shared) + 1, device=decoded.device).view(-1, 1, 1, 1) / (len(shared) + 1)
            decoded[: len(shared)] = torch.lerp(shared, decoded[: len(shared)], ramp)
        shared = decoded[following - start :].clone()
        yield from (decoded[: following - start] * 0.5 + 0.5).clamp(0, 1)


def check_overlap(overlap: int, chunk_size: int) -> None:
    """Raises ValueError if chunks of so many frames cannot overlap by so many."""
    if not 0 <= overlap < chunk_size:
        raise ValueError(f"The overlap is {overlap} frames, of chunks of {chunk_size}: give fewer, from 0 on.")


def _starts(num_frames: int, chunk_size: int, overlap: int) -> list[int]:
    """The first frame of each chunk. With an overlap the last one is as long as the others, so that it sees as much."""
    starts = list(range(0, max(1, num_frames - overlap), chunk_size - overlap))
    if overlap and num_frames > chunk_size:
        starts[-1] = num_frames - chunk_size
    return starts


def stream_frames(
    vae: "AutoencoderKLTemporalDecoder",
    latents: Tensor,
    chunk_size: int = STREAMED,
    overlap: int = OVERLAP,
    tile_size: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Frames (height, width, 3) in 0..255, decoded in a thread, a chunk ahead of whoever takes them.

    Args:
        vae, latents, chunk_size, overlap, tile_size: as for `decode_frames`.
    """
    ready: Queue[NDArray[np.uint8] | BaseException | None] = Queue(maxsize=chunk_size)
    left = Event()

    def put(item: NDArray[np.uint8] | BaseException | None) -> bool:
        while not left.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def decode() -> None:
        try:
            for frame in decode_frames(vae, latents, chunk_size, overlap, tile_size):
                if not put(to_uint8(frame)):
                    return
            put(None)
        except BaseException as error:  # for the one who takes the frames
            put(error)

    thread = Thread(target=decode, name="decoding", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        thread.join()


def to_uint8(frame: Tensor) -> NDArray[np.uint8]:
    """A (3, height, width) frame in [0, 1] as (height, width, 3) in 0..255, rounded."""
    pixels: NDArray[np.uint8] = (frame.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    return pixels


def decode_clips(
    vae: "AutoencoderKLTemporalDecoder",
    latents: Tensor,
    chunk_size: int = 8,
    output_type: str = "pil",
    overlap: int = 0,
    tile_size: int | None = None,
) -> Any:
    """Decodes a batch of clips, each by itself, so that a batch of two equals two of one.

    Args:
        vae: the base model's autoencoder.
        latents: (batch, frames, channels, height, width), in the network's scale.
        chunk_size: frames decoded together.
        output_type: "pil": a list of PIL images a clip; "np": fp32 (batch, frames, height, width, 3) in [0, 1];
            "pt": fp32 (batch, frames, 3, height, width) in [0, 1]; "latent": the latents as they are.
        overlap: frames that a chunk shares with the one before.
        tile_size: pixels along the side of the tiles that a chunk is decoded in; None decodes whole pictures.
    """
    if output_type == "latent":
        return latents
    clips = (decode_frames(vae, clip, chunk_size, overlap, tile_size) for clip in latents)
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
