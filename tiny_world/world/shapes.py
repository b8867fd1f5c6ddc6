"""The shapes: how much of each pixel they cover, how far they reach, how much of them lies beyond a line.

All are left-right symmetric, have their centroid at the origin and, at radius 1, the area of the unit circle. Lengths
are in pixels where a radius in pixels is given, else in units of the radius. y points down.
"""

from functools import lru_cache
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_SQUARE_HALF = sqrt(pi) / 2
_TRIANGLE_REACH = sqrt(4 * pi / (3 * sqrt(3)))  # of its corners; equilateral, one corner on top
_CROSS_ARM = 0.4  # width of an arm over the length of two
_CROSS_HALF = sqrt(pi / (2 * _CROSS_ARM - _CROSS_ARM**2)) / 2
_RING_HOLE = 0.5  # radius of the hole over the outer radius
_RING_OUTER = 1 / sqrt(1 - _RING_HOLE**2)

# How far a shape reaches from its centroid: (to either side, up, down).
REACH = {
    "circle": (1.0, 1.0, 1.0),
    "square": (_SQUARE_HALF, _SQUARE_HALF, _SQUARE_HALF),
    "triangle": (_TRIANGLE_REACH * sqrt(3) / 2, _TRIANGLE_REACH, _TRIANGLE_REACH / 2),
    "cross": (_CROSS_HALF, _CROSS_HALF, _CROSS_HALF),
    "ring": (_RING_OUTER, _RING_OUTER, _RING_OUTER),
}


def coverage(shape: str, x: Array, y: Array, radius: Array) -> Array:
    """The share of each pixel that a shape covers, its edges anti-aliased over one pixel.

    Args:
        shape: one of `REACH`.
        x: of the pixels' centres from the shape's; y likewise; any shapes that broadcast with `radius`, which sets the
            size of the shape, all in pixels.

    Returns:
        float32 in [0, 1].
    """
    if shape == "square":
        return _box(x, y, radius * np.float32(_SQUARE_HALF), radius * np.float32(_SQUARE_HALF))
    if shape == "cross":
        long, short = radius * np.float32(_CROSS_HALF), radius * np.float32(_CROSS_HALF * _CROSS_ARM)
        return np.maximum(_box(x, y, long, short), _box(x, y, short, long))
    if shape == "triangle":
        inner = radius * np.float32(_TRIANGLE_REACH / 2)
        sides = np.abs(x) * np.float32(sqrt(3) / 2) - y * np.float32(0.5)
        return _inside(np.maximum(sides, y) - inner)
    distance = np.sqrt(x * x + y * y)
    if shape == "circle":
        return _inside(distance - radius)
    outer = radius * np.float32(_RING_OUTER)
    return _inside(distance - outer) - _inside(distance - outer * np.float32(_RING_HOLE))


def share_beyond(shape: str, offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a shape's area to the right of a vertical line at `offset`, in units of the radius."""
    columns, left_of = _area_left_of(shape)
    return 1 - np.interp(offset, columns, left_of)


def offset_of_share(shape: str, share: float) -> float:
    """The inverse of `share_beyond`: where a vertical line has that share of the area to its right."""
    columns, left_of = _area_left_of(shape)
    return float(np.interp(1 - share, left_of, columns))


def _inside(distance: Array) -> Array:
    """Coverage from the signed distance to an edge, negative inside."""
    return np.clip(np.float32(0.5) - distance, 0, 1, dtype=np.float32)


def _box(x: Array, y: Array, half_width: Array, half_height: Array) -> Array:
    return _inside(np.abs(x) - half_width) * _inside(np.abs(y) - half_height)


@lru_cache(maxsize=len(REACH))
def _area_left_of(shape: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale, half = 200, 320  # fine pixels a radius; the widest shape reaches 1.35 radii
    pixels = np.arange(-half, half, dtype=np.float32) + np.float32(0.5)
    fine = coverage(shape, pixels[None, :], pixels[:, None], np.float32(scale) * np.ones((1, 1), np.float32))
    left_of = np.concatenate([[0.0], np.cumsum(fine.sum(axis=0, dtype=np.float64))])
    return np.arange(-half, half + 1) / scale, left_of / left_of[-1]
