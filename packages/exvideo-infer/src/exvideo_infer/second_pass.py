"""A second pass, video to video: a clip is noised, and denoised from there. So the ExVideo authors enlarge their clips.

They sample 128 frames at 512x512, resize the frames to 1024x1024, and sample these at `denoising_strength=0.5` in 25
steps (modelscope/DiffSynth-Studio, `examples/ExVideo/ExVideo_svd_test.py`). Their convention is kept: the number of
evaluations does not depend on the strength, and at strength 1 nothing of the clip is left
(`exvideo_infer.schedules.Schedule` has the levels).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from exvideo_infer.encoders import encode_clip, for_vae
from exvideo_infer.ranges import RANGES
from exvideo_infer.request import check_image

DEFAULT_STRENGTH = 0.5  # the authors'
Video = Sequence[Image.Image] | Sequence[NDArray[np.uint8]] | NDArray[np.uint8] | Tensor


@dataclass(frozen=True)
class SecondPass:
    """A clip that a call begins from, checked.

    Args:
        strength: of the noise, in (0, 1].
        frames: of one clip, as PIL images or (frames, 3, height, width) in [0, 1]; None where latents are given.
        clean: (clips, frames, channels, height, width), latents as the pipeline gives them.
    """

    strength: float
    frames: list[Image.Image] | Tensor | None = None
    clean: Tensor | None = None

    def num_frames(self, given: int | None) -> int:
        """The clip's number of frames. Raises ValueError if another was given."""
        if self.clean is not None:
            number: int = self.clean.shape[1]
        else:
            assert self.frames is not None
            number = len(self.frames)
        if given is not None and given != number:
            raise ValueError(f"num_frames is {given}, and the video has {number}: leave num_frames out, or give that.")
        return number

    def size(self, height: int | None, width: int | None, scale: int) -> tuple[int | None, int | None]:
        """Height and width in pixels that are given, or those of latents; `scale` is of pixels to a latent."""
        if self.clean is None:
            return height, width
        own = (self.clean.shape[-2] * scale, self.clean.shape[-1] * scale)
        for name, given, side in zip(("height", "width"), (height, width), own, strict=True):
            if given is not None and given != side:
                raise ValueError(f"{name} is {given}, and the video's latents are of {side}: give frames to resize.")
        return own

    def first_frames(self, image: Any, prompts: int) -> Any:
        """The first frames that are given; else the clip's, once a prompt. Raises ValueError if there is none."""
        if image is not None:
            return image
        if self.frames is None:
            raise ValueError("The video is latents, whose first frame is not decoded here: give it as image, too.")
        if isinstance(self.frames, Tensor):
            return self.frames[:1].expand(prompts, -1, -1, -1)
        return self.frames[:1] * prompts

    def latents(self, pipe: Any, shape: tuple[int, ...], size: tuple[int, int]) -> Tensor:
        """Clean latents of all clips, on the device of the autoencoder.

        Args:
            pipe: an `ExVideoPipeline`.
            shape: (clips, frames, channels, height, width), of all.
            size: (height, width) in pixels that frames are resized to, whatever their proportions.

        Raises:
            ValueError: the latents that are given are of another shape.
        """
        if self.clean is None:
            assert self.frames is not None
            pixels = for_vae(self.frames, *size, pipe.vae_scale_factor)
            clean = encode_clip(pipe.vae, pixels[None])
        else:
            clean = self.clean
        if clean.shape[1:] != shape[1:] or len(clean) not in (1, shape[0]):
            raise ValueError(f"The video's latents are of shape {tuple(clean.shape)}: these arguments need {shape}.")
        return clean.expand(shape)


def second_pass(video: Video | None, strength: float | None) -> SecondPass | None:
    """Checks a clip and its strength; None where there is no clip.

    Args:
        video: as `ExVideoPipeline.__call__` takes it.
        strength: None for the authors', 0.5.

    Raises:
        ValueError: the clip is empty, its values are out of range, the strength is out of (0, 1], or stands alone.
    """
    if video is None:
        if strength is not None:
            raise ValueError(f"strength is {strength}, and there is no video to put noise on: give video, too.")
        return None
    strength = DEFAULT_STRENGTH if strength is None else strength
    if strength not in RANGES["strength"]:
        raise ValueError(f"strength is {strength!r}: give {RANGES['strength']}; at 0 the clip would be as it is.")
    if isinstance(video, Tensor) and video.ndim == 5:
        if not (video.is_floating_point() and video.numel() and video.isfinite().all()):
            raise ValueError(f"video is {video.dtype} of {tuple(video.shape)}: give finite latents, or frames.")
        return SecondPass(strength, clean=video)
    return SecondPass(strength, frames=_frames(video))


def _frames(video: Video) -> list[Image.Image] | Tensor:
    if isinstance(video, str) or not isinstance(video, Tensor | np.ndarray | Sequence):
        raise ValueError(f"video is a {type(video).__name__}: give frames, such as those of read_clip or iter_frames.")
    if isinstance(video, Tensor) and video.dtype == torch.uint8:
        video = video.float() / 255
    if not isinstance(video, Tensor):
        video = [Image.fromarray(frame) if isinstance(frame, np.ndarray) else frame for frame in video]
    try:
        return check_image(video)
    except ValueError as error:
        raise ValueError(f"video: {error}") from error
