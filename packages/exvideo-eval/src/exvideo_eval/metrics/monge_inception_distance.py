"""Monge Inception Distance, MIND (Berthet et al., arXiv 2605.06797): a sliced 2-Wasserstein distance.

    MIND = 3 d  mean over unit vectors u of  mean over i of (sort(X u)_i - sort(Y u)_i)^2

for two sets of equal size in d dimensions. The factor brings it to the scale of a Fréchet distance. It needs no
covariance, and so fewer samples.
"""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import finite

Array = NDArray[np.float64]


def monge_inception_distance(
    first: NDArray[np.floating], second: NDArray[np.floating], *, projections: int = 1000, seed: int = 0
) -> float:
    """MIND of two sets of features (samples, dimension) of equal shape, >= 0; of equal sets 0, or rounding.

    Args:
        projections: random directions, uniform on the sphere.
        seed: of the directions.

    Raises:
        ValueError: the shapes differ, or a feature is not finite.
    """
    x, y = finite(first), finite(second)
    if x.shape != y.shape:
        raise ValueError(f"Sets of shapes {x.shape} and {y.shape} cannot be matched: give as many samples of each.")
    directions = np.random.Generator(np.random.PCG64(seed)).standard_normal((projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return 3 * x.shape[1] * float(_sliced_distance(x, y, directions))


def _sliced_distance(x: Array, y: Array, directions: Array) -> float:
    """Mean over directions of the squared 2-Wasserstein distance of the projections."""
    total = 0.0
    for some in np.array_split(directions, max(1, len(directions) // 100)):  # flat memory, whatever their number
        total += float(np.square(np.sort(some @ x.T, axis=1) - np.sort(some @ y.T, axis=1)).mean(axis=1).sum())
    return total / len(directions)
