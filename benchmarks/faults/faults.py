"""Faults of generated clips, one at a time, as functions of a faultless clip.

Each takes and gives uint8 RGB frames (frames, height, width, 3) of the same shape, and the same bits each time.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from exvideo_infer import read_clip, write_video
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

FADE = 0.35  # of its brightness that a clip loses on the way
NOISE = 24.0  # grey levels, standard deviation at the end
BLUR = 9  # pixels, side of the box at the end
JUMP = 1 / 16  # of the width, at a seam
CRF = 40  # of H.264, where 23 is usual and 51 the worst
_LUMA = np.array([0.299, 0.587, 0.114])


def frozen(frames: Frames) -> Frames:
    """The first frame, throughout."""
    return frames[np.zeros(len(frames), dtype=int)]


def looped(frames: Frames) -> Frames:
    """The first half, twice."""
    return frames[np.arange(len(frames)) % _half(frames)]


def run_back(frames: Frames) -> Frames:
    """The first half forwards, then backwards."""
    places = np.arange(len(frames))
    return frames[np.minimum(places, places[::-1])]


def seamed(frames: Frames) -> Frames:
    """A sideways jump in the middle, as between windows that do not meet."""
    jump = max(1, round(JUMP * frames.shape[2]))
    middle = _half(frames)
    return np.concatenate([frames[:middle], np.roll(frames[middle:], jump, axis=2)])


def reversed_in_time(frames: Frames) -> Frames:
    """Last frame first."""
    return frames[::-1].copy()


def shuffled(frames: Frames) -> Frames:
    """The same frames in an order drawn at random."""
    return frames[np.random.default_rng(0).permutation(len(frames))]


def fading(frames: Frames) -> Frames:
    """Brightness that drifts down along the clip."""
    return _levels(frames * (1 - FADE * _along(frames)))


def noisy(frames: Frames) -> Frames:
    """Noise that grows along the clip."""
    noise = np.random.default_rng(0).standard_normal(frames.shape)
    return _levels(frames + NOISE * _along(frames) * noise)


def blurred(frames: Frames) -> Frames:
    """Detail that is lost along the clip: a box whose side grows from 1 pixel."""
    sides = 1 + 2 * np.round(_along(frames).ravel() * (BLUR // 2)).astype(int)
    return np.stack([_boxed(frame, side) for frame, side in zip(frames, sides, strict=True)])


def duplicated(frames: Frames) -> Frames:
    """A second copy, beside it, of what is in the middle of the picture, moving as it does."""
    height, width = frames.shape[1:3]
    rows, columns = np.mgrid[:height, :width]
    radius = 0.24 * min(height, width)
    away = np.hypot(rows - 0.5 * height, columns - 0.26 * width) / radius
    mask = np.clip(3 * (1 - away), 0, 1)[None, :, :, None]  # soft at its border
    moved = np.roll(frames, -round(0.24 * width), axis=2)
    return _levels(mask * moved + (1 - mask) * frames)


def recoloured(frames: Frames) -> Frames:
    """All hues turned by 180 degrees about the grey of equal luma."""
    luma = (frames @ _LUMA)[..., None]
    return _levels(2 * luma - frames)


def recompressed(frames: Frames) -> Frames:
    """The clip after a strong lossy compression: H.264 in yuv420p."""
    with TemporaryDirectory(prefix="exvideo-fault-") as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, frames, 24, crf=CRF)
        return read_clip(path).permute(0, 2, 3, 1).numpy()


def _half(frames: Frames) -> int:
    return len(frames) // 2


def _along(frames: Frames) -> NDArray[np.float64]:
    """0 at the first frame to 1 at the last (frames, 1, 1, 1)."""
    return np.linspace(0, 1, len(frames)).reshape(-1, 1, 1, 1)


def _levels(values: NDArray[np.float64]) -> Frames:
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)


def _boxed(frame: Frames, side: int) -> Frames:
    """Means of squares of an odd number of pixels a side; the border is continued."""
    padded = np.pad(frame.astype(np.float64), ((side // 2,) * 2, (side // 2,) * 2, (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    return _levels(windows.mean(axis=(-2, -1)))
