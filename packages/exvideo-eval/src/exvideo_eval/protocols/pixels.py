"""From frames to a network's input, step by step, each step in the arithmetic of the protocol's authors.

Steps take and give (frames, 3, height, width). They are plain data, so that a protocol's hash covers every one; the
order of a scaling and a resizing, or of a product and a quotient, is part of what is meant.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SQUASH, SHORT_SIDE = "squash", "short side"
BILINEAR, BICUBIC, TENSORFLOW = "bilinear", "bicubic", "bilinear of TensorFlow 1"


@dataclass(frozen=True)
class ToFloat:
    """Whole levels 0 to 255 as float32."""

    def __call__(self, frames: Tensor) -> Tensor:
        return frames.float()


@dataclass(frozen=True)
class ToBytes:
    """Whole levels again: the fraction is cut off, as by a cast."""

    def __call__(self, frames: Tensor) -> Tensor:
        return frames.byte()


@dataclass(frozen=True)
class Multiply:
    """Every value times a number."""

    by: float

    def __call__(self, frames: Tensor) -> Tensor:
        return frames * self.by


@dataclass(frozen=True)
class Divide:
    """Every value over a number; not the same bits as its product with the inverse."""

    by: float

    def __call__(self, frames: Tensor) -> Tensor:
        return frames / self.by


@dataclass(frozen=True)
class Subtract:
    """Every value less a number."""

    value: float

    def __call__(self, frames: Tensor) -> Tensor:
        return frames - self.value


@dataclass(frozen=True)
class Normalize:
    """Every channel less its mean, over its standard deviation."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, frames: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, device=frames.device)[:, None, None] for values in (self.mean, self.std))
        return (frames - mean) / std


@dataclass(frozen=True)
class Resize:
    """Frames resampled, corners not aligned.

    Args:
        size: of both sides ("squash"), or of the shorter one ("short side"; the longer one is rounded up).
        fit: one of these two.
        method: "bilinear" and "bicubic" with half-pixel centres, as torch has them, or "bilinear of TensorFlow 1",
            without.
        antialias: low-pass before shrinking; never by TensorFlow 1.
    """

    size: int
    fit: str = SQUASH
    method: str = BILINEAR
    antialias: bool = False

    def __call__(self, frames: Tensor) -> Tensor:
        size = self._target(*frames.shape[-2:])
        if self.method == TENSORFLOW:
            return tensorflow_bilinear(frames, size)
        return interpolate(frames, size=size, mode=self.method, align_corners=False, antialias=self.antialias)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.fit == SQUASH:
            return self.size, self.size
        # In floats, as the authors have it: of square frames, the longer side can come out as one more.
        scale = self.size / min(height, width)
        if height < width:
            return self.size, math.ceil(width * scale)
        return math.ceil(height * scale), self.size


@dataclass(frozen=True)
class CentreCrop:
    """The square of `size` at the centre, its upper left corner rounded down."""

    size: int

    def __call__(self, frames: Tensor) -> Tensor:
        top, left = ((side - self.size) // 2 for side in frames.shape[-2:])
        return frames[..., top : top + self.size, left : left + self.size]


Step = ToFloat | ToBytes | Multiply | Divide | Subtract | Normalize | Resize | CentreCrop


def network_input(frames: Tensor, steps: Sequence[Step]) -> Tensor:
    """Frames uint8 (frames, 3, height, width) after all steps."""
    for step in steps:
        frames = step(frames)
    return frames


def tensorflow_bilinear(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 frames (..., height, width) as `tf.image.resize_bilinear(align_corners=False)` of TensorFlow 1 has them.

    Pixel i of the output lies at i times the scale in the input, without half-pixel centres.
    """
    (above, below, down), (before, after, right) = (
        _neighbours(old, new, frames.device) for old, new in zip(frames.shape[-2:], size, strict=True)
    )
    upper, lower = frames[..., above, :], frames[..., below, :]
    top = upper[..., before] + (upper[..., after] - upper[..., before]) * right
    bottom = lower[..., before] + (lower[..., after] - lower[..., before]) * right
    return top + (bottom - top) * down[:, None]


def _neighbours(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Input pixels on both sides of each output pixel, and its way from the first to the second, in [0, 1)."""
    scale = torch.tensor(old, dtype=torch.float32) / torch.tensor(new, dtype=torch.float32)
    places = (torch.arange(new, dtype=torch.float32) * scale).to(device)
    first = places.floor().long()
    return first, (first + 1).clamp(max=old - 1), places - first
