"""The amount of motion in a clip, in the 128 buckets that Stable Video Diffusion is told."""

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Sums = tuple[NDArray[np.uint32], NDArray[np.uint32]]


def motion_score(frames: Tensor) -> float:
    """Standard deviation over frames (unbiased), averaged over channels and pixels (ExVideo's released training code).

    Args:
        frames: (frames, 3, height, width), in [-1, 1].
    """
    return frames.float().std(dim=0, unbiased=True).mean().item()


class MotionSums:
    """`motion_score` of stretches of pictures that overlap, each picture seen once.

    Sums of pixels and of their squares run on, in whole numbers modulo 2^32: the difference of two of them is exact
    for stretches of up to 66,000 pictures.
    """

    def __init__(self) -> None:
        self._sums: Sums | None = None

    def add(self, picture: NDArray[np.uint8], times: int = 1) -> None:
        """Takes the next picture, any shape, 0 to 255; `times` of it."""
        if self._sums is None:
            self._sums = np.zeros(picture.shape, np.uint32), np.zeros(picture.shape, np.uint32)
        values = picture.astype(np.uint32)
        total, squares = self._sums
        total += values * np.uint32(times)
        values *= values
        squares += values * np.uint32(times)

    def mark(self) -> Sums | None:
        """The sums so far: where a stretch begins."""
        return None if self._sums is None else (self._sums[0].copy(), self._sums[1].copy())

    def score_since(self, mark: Sums | None, count: int) -> float:
        """`motion_score` of the `count` pictures that were taken since a mark, at least 2."""
        assert self._sums is not None
        total, squares = self._sums if mark is None else (self._sums[0] - mark[0], self._sums[1] - mark[1])
        mean = total / count
        variance = (squares - mean * total) / (count - 1)
        return float(np.sqrt(np.maximum(variance, 0)).mean() / 127.5)


def motion_bucket(score: float) -> int:
    """The bucket of a score, 0 (still) to 127: the first whose upper threshold exceeds it."""
    thresholds = _thresholds()
    return next((bucket for bucket, upper in enumerate(thresholds[1:]) if upper > score), 127)


@cache
def _thresholds() -> tuple[float, ...]:
    return tuple(json.loads((files("exvideo_train") / "motion_bucket_thresholds.json").read_text())["thresholds"])
