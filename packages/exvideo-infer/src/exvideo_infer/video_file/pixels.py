"""From the frames that callers have to those that are written: uint8 RGB of one size."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_infer.video_file.kinds import Frame, VideoError

if TYPE_CHECKING:
    from PIL.Image import Image


def as_pixels(frames: "Iterable[NDArray[Any] | Image | Tensor]", path: str | Path) -> Iterator[Frame]:
    """Yields each frame as contiguous uint8 (height, width, 3), all of one size.

    Args:
        frames: as `write_video` takes them.
        path: of the file that they are for, for messages.

    Raises:
        VideoError: a frame has another type, range or size than it should.
    """
    size: tuple[int, int] | None = None
    for number, frame in enumerate(frames):
        pixels = _pixels_of(frame, f"Frame {number} for {path}")
        if size is not None and pixels.shape[:2] != size:
            raise VideoError(
                f"Frame {number} for {path} is {pixels.shape[1]}x{pixels.shape[0]}, the first {size[1]}x{size[0]}: "
                "give one size."
            )
        size = pixels.shape[0], pixels.shape[1]
        yield pixels


def _pixels_of(frame: "NDArray[Any] | Image | Tensor", name: str) -> Frame:
    if isinstance(frame, Tensor):
        # diffusers' "pt" has channels first, and is floating.
        values = frame.detach().movedim(0, -1).float() if frame.is_floating_point() and frame.ndim == 3 else frame
        pixels = values.cpu().numpy()
    else:
        pixels = np.asarray(frame)
    floating = np.issubdtype(pixels.dtype, np.floating)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not (floating or pixels.dtype == np.uint8):
        raise VideoError(
            f"{name} is {pixels.dtype} {pixels.shape}: give uint8, or floats in [0, 1], of (height, width, 3), red, "
            "green and blue."
        )
    if floating:
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 1):
            raise VideoError(f"{name} is {pixels.dtype} from {low:g} to {high:g}: give floats in [0, 1], or uint8.")
        pixels = (pixels.astype(np.float32) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(pixels)
