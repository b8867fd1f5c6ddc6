"""Distances between two sets of clips whose windows stand at equal places, in many draws at once.

Features are compared window by window: the first windows of one set's clips with the first of the other's, and so on,
and the distances averaged. Pooled, windows of one clip would count as samples of their own; and a clip that moves would
differ from itself, which hides one that does not.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import gaussian_distances
from exvideo_eval.metrics.kernel_distance import polynomial_kernel
from exvideo_eval.statistics import Sample

Array = NDArray[np.float64]


def frechet(first: Sample, second: Sample) -> Array:
    """Squared Fréchet distance (draws,), mean over windows; values are (clips, windows, dimension)."""
    return frechet_by_window(first, second).mean(axis=1)


def frechet_by_window(first: Sample, second: Sample) -> Array:
    """Squared Fréchet distance (draws, windows), covariances by N - 1."""
    distances = []
    for window in range(first.values.shape[1]):
        centre = second.values[:, window].mean(axis=0)  # a large common offset would cost precision
        (mean, covariance), (other_mean, other_covariance) = (
            _moments(sample.values[:, window] - centre, sample.weights) for sample in (first, second)
        )
        distances.append(gaussian_distances(mean - other_mean, covariance, other_covariance))
    return np.stack(np.broadcast_arrays(*distances), axis=1)


def kernel_distance(first: Sample, second: Sample) -> Array:
    """Squared maximum mean discrepancy (draws,), kernel (x.y / d + 1)^3, mean over windows; may be negative.

    Unbiased for twins too: pairs of clips from one source file are left out, whichever sets they are of.
    """
    return _unbiased(first, second, polynomial_kernel)


def squared_shift(first: Sample, second: Sample) -> Array:
    """Squared distance (draws,) of the sets' means, mean over windows, unbiased and so at times negative."""
    return _unbiased(first, second, lambda x, y: polynomial_kernel(x, y, degree=1, gamma=1.0, coef0=0.0))


def _unbiased(first: Sample, second: Sample, kernel: Callable[[Array, Array], Array]) -> Array:
    sides = ((first, first, 1), (second, second, 1), (first, second, -2))
    parts = [factor * _mean_kernel(one, two, kernel) for one, two, factor in sides]
    total: Array = sum(parts[1:], parts[0])
    return total


def _mean_kernel(one: Sample, two: Sample, kernel: Callable[[Array, Array], Array]) -> Array:
    """(draws,): the mean kernel of clips of two sources, over windows too: it is linear in the kernel's values."""
    windows = range(one.values.shape[1])
    strangers = (one.units[:, None] != two.units).astype(np.float64)
    values = sum((kernel(one.values[:, w], two.values[:, w]) for w in windows), np.zeros(strangers.shape))
    total, count = (((one.weights @ form) * two.weights).sum(axis=1) for form in (values * strangers, strangers))
    mean: Array = total / count / len(windows)
    return mean


def _moments(values: Array, weights: Array) -> tuple[Array, Array]:
    """Means (draws, dimension) and unbiased covariances (draws, dimension, dimension) of values (clips, dimension)."""
    count = weights.sum(axis=1)
    mean = weights @ values / count[:, None]
    squares = (values[:, :, None] * values[:, None, :]).reshape(len(values), -1)
    second = (weights @ squares).reshape(-1, values.shape[1], values.shape[1])
    scatter = second - count[:, None, None] * mean[:, :, None] * mean[:, None, :]
    return mean, scatter / (count - 1)[:, None, None]
