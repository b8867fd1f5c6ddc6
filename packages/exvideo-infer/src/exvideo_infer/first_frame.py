"""First frames as a caller gives them: PIL images or tensors, checked, and made ready for the two encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from diffusers.video_processor import VideoProcessor

FirstFrame = Image.Image | Sequence[Image.Image] | Tensor


def check_image(image: FirstFrame) -> list[Image.Image] | Tensor:
    """The images as a list of PIL images or as one (batch, 3, height, width) tensor in [0, 1].

    Raises:
        ValueError: if it is neither, is empty, not RGB, not floating or not within [0, 1].
    """
    if isinstance(image, Tensor):
        return _check_tensor(image)
    if isinstance(image, str):
        raise ValueError(f"image is the text {image!r}: give text as prompt=, and a picture as a PIL image.")
    images = [image] if isinstance(image, Image.Image) else list(image)
    if not images:
        raise ValueError("image is an empty list: give at least one first frame.")
    for index, one in enumerate(images):
        if not isinstance(one, Image.Image):
            raise ValueError(f"image {index} is a {type(one).__name__}: give PIL images, or one tensor for all.")
        if one.mode != "RGB":
            raise ValueError(f"image {index} has mode {one.mode}: convert it to RGB first, by image.convert('RGB').")
    return images


def for_vae(image: list[Image.Image] | Tensor, height: int, width: int) -> Tensor:
    """Resizes to `height` x `width` pixels, whatever the proportions: (batch, 3, height, width) in [-1, 1]."""
    pixels: Tensor = _processor().preprocess(image, height=height, width=width)
    return pixels


def for_image_encoder(image: list[Image.Image] | Tensor) -> list[Tensor]:
    """In their own size, (batch, 3, height, width) in [-1, 1]: one batch if they share a size, else one tensor each."""
    if isinstance(image, Tensor):
        return [image * 2.0 - 1.0]
    processor = _processor()
    each = [processor.numpy_to_pt(processor.pil_to_numpy(one)) * 2.0 - 1.0 for one in image]
    return [torch.cat(each)] if len({one.size for one in image}) == 1 else each


def _check_tensor(image: Tensor) -> Tensor:
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or batch.shape[1] != 3 or batch.shape[0] == 0:
        raise ValueError(f"image has shape {tuple(image.shape)}: give (batch, 3, height, width) or (3, height, width).")
    if not batch.is_floating_point() or not (batch.min() >= 0 and batch.max() <= 1):
        raise ValueError(f"image is {batch.dtype} from {batch.min()} to {batch.max()}: give floats in [0, 1].")
    return batch.float()


def _processor() -> VideoProcessor:
    from diffusers.video_processor import VideoProcessor

    return VideoProcessor(do_resize=True)
