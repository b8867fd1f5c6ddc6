"""Types that the files of this room share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.shown_name import shown_name

Frame = NDArray[np.uint8]  # (height, width, 3), RGB


class VideoReadError(ValueError):
    """A file that is no usable video: `file` is its name, `reason` one clause that says why."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{shown_name(file)}: {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True)
class VideoInfo:
    """A video that was decoded whole.

    Args:
        num_frames: that were decoded; of frames that an edit list hides, none is counted.
        fps: mean frames a second; 0 where the file has no rate.
        height, width: in pixels, as shown: upright, pixels square.
        codec, pixel_format: as FFmpeg names them, such as "h264" and "yuv420p".
        notes: what is unusual about the file, a few words each, all of it dealt with by the reader.
    """

    num_frames: int
    fps: float
    height: int
    width: int
    codec: str = ""
    pixel_format: str = ""
    notes: tuple[str, ...] = ()
