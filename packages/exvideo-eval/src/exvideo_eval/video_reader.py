"""Reads video files as uint8 frames, in chunks, through PyAV; one that cannot be trusted is an error that says why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.stream import VideoStream
from torch import Tensor
from torch.nn.functional import interpolate


class VideoReadError(ValueError):
    """A file that is no usable video: `file` is its name, `reason` one clause that says why."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True)
class VideoInfo:
    """`num_frames` as decoded or as the header says, `fps` as the average rate (0 where the file has none)."""

    num_frames: int
    fps: float
    height: int
    width: int


def probe(path: Path) -> VideoInfo:
    """Length, rate and size of a video; decodes it only if its header does not tell the number of frames.

    Raises:
        VideoReadError: not a video, truncated, or (where it was decoded) corrupt.
    """
    with _opened(path) as (container, stream):
        height, width, fps = stream.height, stream.width, float(stream.average_rate or 0)
        num_frames = stream.frames or sum(1 for _ in container.decode(stream))
    return VideoInfo(num_frames, fps, height, width)


def iter_chunks(path: Path, chunk_size: int, size: tuple[int, int] | None = None) -> Iterator[Tensor]:
    """Frames of a video in order, uint8 (at most chunk_size, 3, height, width), never more than a chunk in memory.

    Args:
        size: (height, width) to bring every frame to: resized to cover it (bilinear, antialiased), then cut from the
            centre; None keeps the file's own.

    Raises:
        VideoReadError: not a video, truncated, corrupt, or of changing size; possibly only after some chunks.
    """

    def finished(frames: list[np.ndarray]) -> Tensor:
        chunk = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()
        return chunk if size is None else cover_and_crop(chunk, size)

    frames: list[np.ndarray] = []
    shape: tuple[int, ...] | None = None
    with _opened(path) as (container, stream):
        for index, frame in enumerate(container.decode(stream)):
            if frame.is_corrupt:
                raise VideoReadError(path.name, f"frame {index} is corrupt")
            frames.append(frame.to_ndarray(format="rgb24"))
            shape = shape or frames[0].shape
            if frames[-1].shape != shape:
                raise VideoReadError(path.name, f"its frame size changes at frame {index}")
            if len(frames) == chunk_size:
                yield finished(frames)
                frames = []
        if frames:
            yield finished(frames)


def iter_clips(path: Path, num_frames: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """The video cut into consecutive clips, uint8 (num_frames, 3, height, width); an incomplete last one is dropped.

    Raises:
        VideoReadError: as `iter_chunks`, or fewer than num_frames frames.
    """
    found = 0
    for chunk in iter_chunks(path, num_frames, size):
        found += chunk.shape[0]
        if chunk.shape[0] == num_frames:
            yield chunk
    if found < num_frames:
        raise VideoReadError(path.name, f"has {found} frames, fewer than the {num_frames} that are compared")


def cover_and_crop(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (frames, 3, H, W) to (frames, 3, *size): resized until it covers `size`, then cut from the centre."""
    height, width = frames.shape[-2:]
    if (height, width) == size:
        return frames
    scale = max(size[0] / height, size[1] / width)
    covered = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    resized = interpolate(frames.float(), size=covered, mode="bilinear", antialias=True, align_corners=False)
    top, left = (covered[0] - size[0]) // 2, (covered[1] - size[1]) // 2
    cut = resized[..., top : top + size[0], left : left + size[1]]
    return cut.round().clamp(0, 255).byte()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and its video stream; FFmpeg's errors inside the block become `VideoReadError`."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoReadError(path.name, "is not a video: it has no video stream")
            if container.format.name.endswith("_pipe") or container.format.name in ("image2", "tty"):
                raise VideoReadError(path.name, f"is not a video: it is a picture or text ({container.format.name})")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            _require_whole(path, stream)
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoReadError(path.name, f"is corrupt or not a video ({reason})") from error


def _require_whole(path: Path, stream: VideoStream) -> None:
    """Decoders hide a missing tail when the index comes first: compare the index with the file's size."""
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    length = path.stat().st_size
    if end > length:
        raise VideoReadError(path.name, f"is truncated: its index reaches byte {end}, the file ends at {length}")
