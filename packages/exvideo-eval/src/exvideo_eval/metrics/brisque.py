"""BRISQUE, the blind referenceless image spatial quality evaluator (Mittal, Moorthy and Bovik, IEEE TIP 21, 2012)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from exvideo_eval.metrics.natural_scenes import fit, normalised

Array = NDArray[np.float64]

_FLOOR = 1 / 255
MIN_SIDE = 16


@dataclass(frozen=True)
class Regression:
    """A support vector regression with a Gaussian kernel, on features brought to [-1, 1].

    Args:
        low, high: (36,), of the features that become -1 and 1.
        vectors, weights: (vectors, 36) and (vectors,).
        gamma, offset: exp(-gamma d^2) of squared distances, and what is taken off the sum.
    """

    low: Array
    high: Array
    vectors: Array
    weights: Array
    gamma: float
    offset: float

    def __call__(self, features: Array) -> float:
        scaled = 2 * (features - self.low) / (self.high - self.low) - 1
        squared = np.square(self.vectors - scaled).sum(axis=1)
        return float(self.weights @ np.exp(-self.gamma * squared)) - self.offset


def brisque(luma: Array, regression: Regression) -> float:
    """Predicted human opinion of a picture's distortion, about 0 (none) to 100; lower is better.

    Args:
        luma: (height, width), 0 to 1.
        regression: from features to opinions.

    Raises:
        ValueError: the picture is smaller than 16x16.
    """
    if min(luma.shape) < MIN_SIDE:
        raise ValueError(
            f"BRISQUE is of pictures of {MIN_SIDE}x{MIN_SIDE} or larger, and one is {luma.shape[0]}x{luma.shape[1]}: "
            "give larger clips, or --size."
        )
    return regression(picture_features(luma))


def picture_features(luma: Array) -> Array:
    """Features (36,) of luma (height, width) from 0 to 1: 18 of it, 18 of it at half the size."""
    image = np.ascontiguousarray(luma, dtype=np.float64)
    # OpenCV's bicubic, which its authors' regression was fitted by, does not smooth before it takes every other pixel.
    size = [round(side / 2) for side in image.shape]
    half = interpolate(torch.from_numpy(image)[None, None], size=size, mode="bicubic", align_corners=False)[
        0, 0
    ].numpy()
    return np.array([*_features(normalised(image, _FLOOR)), *_features(normalised(half, _FLOOR))])


def _features(image: Array) -> list[float]:
    whole = fit(image)
    features = [whole.shape, (whole.left**2 + whole.right**2) / 2]
    neighbours = (
        image[:, :-1] * image[:, 1:],
        image[:-1] * image[1:],
        image[:-1, :-1] * image[1:, 1:],
        image[1:, :-1] * image[:-1, 1:],
    )
    for product in neighbours:
        found = fit(product)
        features += [found.shape, found.mean, found.left**2, found.right**2]
    return features
