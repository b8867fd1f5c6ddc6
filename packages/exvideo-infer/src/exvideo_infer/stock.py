"""Clips by a family's own pipeline of diffusers, with an extension mounted on its network: AnimateDiff's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks import extension_of, family_of, load_extension
from numpy.typing import NDArray

from exvideo_infer.bases import load_base
from exvideo_infer.bases.animatediff import AnimateDiffBase
from exvideo_infer.bases.sampling_defaults import SamplingDefaults, of_extension
from exvideo_infer.decode import to_uint8
from exvideo_infer.prompts import warn_of_unread_words
from exvideo_infer.request import check_positive, check_size


@dataclass(frozen=True)
class TextRequest:
    """A clip that is asked for; None leaves a value open.

    Args:
        num_frames: the extension's length, if left open, else the base's.
        height, width: pixels; those of the extension's training, if left open, else what the UNet was made for.
        steps: evaluations of the network.
        guidance_scale: 1 is none.
        seed: of the noise.
    """

    prompt: str
    num_frames: int | None = None
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int = 0

    def filled(self, base: AnimateDiffBase) -> dict[str, Any]:
        """The arguments of a call of the base's pipeline.

        Raises:
            ValueError: the clip is longer than the extension or the base, or a side is not one that the UNet can halve.
        """
        unet, extension = base.network, extension_of(base.network)
        family = family_of(unet)
        known = extension.config.num_frames if extension else family.base_frames(unet)
        frames = known if self.num_frames is None else self.num_frames
        check_positive(num_frames=frames)
        if extension and frames > known:
            raise ValueError(f"num_frames is {frames}, but the extension has {known}: ask for no more than that.")
        if not extension and not family.can_run(unet, frames):
            raise ValueError(
                f"num_frames is {frames}, beyond the positions that this base has: load an extension trained for so "
                f"many, or ask for {known}, which it was trained at."
            )
        scale = base.pipeline.vae_scale_factor
        sizes = (extension.training or {}).get("sizes", []) if extension else []
        side = (unet.config.sample_size or 64) * scale
        known_height, known_width = sizes[0] if len(sizes) == 1 else (side, side)
        height, width = self.height or known_height, self.width or known_width
        sampling = defaults_of(base).replace(num_inference_steps=self.steps, max_guidance_scale=self.guidance_scale)
        check_size(height, width, base.size_multiple)
        return {
            "prompt": self.prompt,
            "num_frames": frames,
            "height": height,
            "width": width,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.max_guidance_scale,
        }


def defaults_of(base: AnimateDiffBase) -> SamplingDefaults:
    """The values taken where a caller leaves them open: those an extension was trained at, else the base's own."""
    extension = extension_of(base.network)
    return of_extension(base.sampling_defaults, extension.training if extension else None)


def load_stock(base: str | Path, extension: str | Path | None, torch_dtype: torch.dtype) -> AnimateDiffBase:
    """Loads a base of AnimateDiff, and mounts the extension of a file or hub id on it, if one is given.

    Raises:
        ValueError: as `load_base` and `exvideo_blocks.load_extension`.
    """
    loaded = load_base(base, torch_dtype)
    assert isinstance(loaded, AnimateDiffBase)
    if extension is not None:
        load_extension(loaded.pipeline, extension)
    return loaded


def generate(
    base: AnimateDiffBase, request: TextRequest, on_step: Callable[..., dict[str, Any]] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Frames (height, width, 3), 0 to 255, of the clip that is asked for, on the pipeline's device.

    Args:
        base: extended or not.
        request: the clip.
        on_step: diffusers' `callback_on_step_end`.

    Raises:
        ValueError: as `TextRequest.filled`; or frames are not finite.
    """
    arguments = request.filled(base)
    warn_of_unread_words(base.tokenizer, [request.prompt])
    generator = torch.Generator().manual_seed(request.seed)  # of the CPU: the same noise on every device
    made = base.pipeline(**arguments, generator=generator, callback_on_step_end=on_step, output_type="pt")
    frames = made.frames[0]
    return (to_uint8(frame.float()) for frame in frames)
