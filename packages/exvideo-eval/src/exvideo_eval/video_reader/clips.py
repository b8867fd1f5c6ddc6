"""A video cut into clips of equal length."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from exvideo_eval.video_reader.decoding import Decoding
from exvideo_eval.video_reader.kinds import VideoReadError


def iter_clips(video: Path | Decoding, num_frames: int, size: tuple[int, int] | None = None) -> Iterator[Tensor]:
    """The video cut into consecutive clips, uint8 (num_frames, 3, height, width); an incomplete last one is dropped.

    Frames are resized as they are decoded, so that no more than a clip of the given size is in memory.

    Args:
        video: the file, or a decoding of it that knows the size.

    Raises:
        VideoReadError: as `Decoding.frames`, or fewer than num_frames frames.
    """
    decoding = video if isinstance(video, Decoding) else Decoding(video, size)
    clip: Tensor | None = None
    for place, frame in enumerate(decoding.frames()):
        if clip is None:
            clip = torch.empty((num_frames, 3, *frame.shape[:2]), dtype=torch.uint8)
        clip[place % num_frames] = torch.from_numpy(frame).permute(2, 0, 1)
        if (place + 1) % num_frames == 0:
            yield clip
            clip = None
    found = decoding.info.num_frames
    if found < num_frames:
        has = "1 frame" if found == 1 else f"{found} frames"
        raise VideoReadError(decoding.path.name, f"has {has}, fewer than the {num_frames} that are compared")
