"""Fréchet distance between two sets of clips whose windows stand at equal places, in many draws at once.

Features are compared window by window: the first windows of one set's clips with the first of the other's, and so on,
and the distances averaged. Pooled, windows of one clip would count as samples of their own; and a clip that moves would
differ from itself, which hides one that does not.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import gaussian_distances
from exvideo_eval.statistics import Sample

Array = NDArray[np.float64]

_AT_HAND = 2**19  # numbers of second moments (draws or clips, dimension, dimension) at a time: 4 MB


def frechet(first: Sample, second: Sample) -> Array:
    """Squared Fréchet distance (draws,), mean over windows; values are (clips, windows, dimension)."""
    return frechet_by_window(first, second).mean(axis=1)


def frechet_by_window(first: Sample, second: Sample) -> Array:
    """Squared Fréchet distance (draws, windows), covariances by N - 1."""
    draws = max(len(first.weights), len(second.weights))
    some = _parts(draws, first.values.shape[2])
    return np.concatenate([_by_window(first.of(rows), second.of(rows)) for rows in some])


def _by_window(first: Sample, second: Sample) -> Array:
    distances = []
    for window in range(first.values.shape[1]):
        centre = second.values[:, window].mean(axis=0)  # a large common offset would cost precision
        (mean, covariance), (other_mean, other_covariance) = (
            _moments(sample.values[:, window] - centre, sample.weights) for sample in (first, second)
        )
        distances.append(gaussian_distances(mean - other_mean, covariance, other_covariance))
    return np.stack(np.broadcast_arrays(*distances), axis=1)


def _moments(values: Array, weights: Array) -> tuple[Array, Array]:
    """Means (draws, dimension) and unbiased covariances (draws, dimension, dimension) of values (clips, dimension)."""
    count, dimension = weights.sum(axis=1), values.shape[1]
    mean = weights @ values / count[:, None]
    scatter = np.zeros((len(weights), dimension**2))
    for some in _parts(*values.shape):
        squares = (values[some, :, None] * values[some, None, :]).reshape(-1, dimension**2)
        scatter += weights[:, some] @ squares
    scatter = scatter.reshape(-1, dimension, dimension)
    scatter -= count[:, None, None] * mean[:, :, None] * mean[:, None, :]
    scatter /= (count - 1)[:, None, None]
    return mean, scatter


def _parts(count: int, dimension: int) -> Iterator[slice]:
    step = max(1, _AT_HAND // dimension**2)
    yield from (slice(first, first + step) for first in range(0, count, step))
