"""Types that reading and writing share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (height, width, 3), RGB

# A smooth gradient comes back 0.9 levels of 255 off on average, against 1.5 with swscale's faster defaults.
RESAMPLING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class VideoError(ValueError):
    """A video file that cannot be read or written; the message names the file."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns errors of FFmpeg and the disk, such as that it is full, into a VideoError that names `path`."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}.") from error


@dataclass(frozen=True)
class VideoInfo:
    """The contents of a video file: its number of frames, mean frames a second, width and height in pixels.

    Width and height are those of the picture as it is shown: upright, with square pixels.
    """

    num_frames: int
    fps: float
    width: int
    height: int
