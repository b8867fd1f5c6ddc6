"""A clip that a job begins from: the file's frames, and a hash of those that count."""

import hashlib
from collections import deque
from pathlib import Path

from PIL import Image

from exvideo_infer.ranges import RANGES
from exvideo_infer.video_file import iter_frames, probe


def last_frame(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """The last frame of a file, as `read_clip` reads it; raises the same."""
    return Image.fromarray(deque(iter_frames(path, size=size), maxlen=1)[0])


def rate_of(path: Path) -> float | None:
    """The rate of a file, where it is one that a clip can have. Raises VideoError if the file cannot be read."""
    fps = probe(path).fps
    return fps if fps in RANGES["fps"] else None


def hash_of_frames(path: Path, num_frames: int | None) -> tuple[str, int]:
    """A hash of a file's first frames, the same for the same pixels in files of other formats; and their number.

    Args:
        num_frames: None for all. Raises VideoError if the file has fewer.
    """
    digest, count = hashlib.sha256(), 0
    for frame in iter_frames(path, 0, num_frames):
        digest.update(f"{frame.shape}".encode())
        digest.update(frame.tobytes())
        count += 1
    return digest.hexdigest(), count
