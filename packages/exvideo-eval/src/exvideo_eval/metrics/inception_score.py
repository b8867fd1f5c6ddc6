"""Inception Score of a set of class probabilities (Salimans et al., arXiv 1606.03498, section 4).

    IS = exp( mean over samples of KL( p(y | x) || p(y) ) ),    p(y) the mean of p(y | x) over the split

averaged over splits of the set. It is at least 1 and at most the number of classes, and few samples lower it. On
Inception-v3 it is the score of images, on C3D (UCF-101) that of videos: two measures, whose numbers never compare.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import finite

Array = NDArray[np.float64]


def inception_score(probabilities: NDArray[np.floating], splits: int = 10) -> tuple[float, float]:
    """Mean and standard deviation (N) of the score over consecutive splits of the probabilities (samples, classes).

    0 log 0 counts as 0, so that saturated classifiers keep the score finite; no epsilon is added to anything.

    Raises:
        ValueError: a probability is not finite or negative, a row does not add up to 1 within 1e-3, or there are fewer
            samples than splits.
    """
    p = finite(probabilities)
    if not 1 <= splits <= len(p):
        raise ValueError(f"{len(p)} samples cannot be split {splits} times: give 1 to {len(p)} splits.")
    worst = np.abs(p.sum(axis=1) - 1).max()
    if p.min() < 0 or worst > 1e-3:
        raise ValueError(
            f"Rows of class probabilities reach {p.min():.3g} and miss a sum of 1 by {worst:.3g}: "
            "give the softmax of a classifier."
        )
    edges = [index * len(p) // splits for index in range(splits + 1)]
    scores = [_score(p[start:end]) for start, end in pairwise(edges)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(p: Array) -> float:
    divergence = (_x_log_y(p, p) - _x_log_y(p, p.mean(axis=0))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def _x_log_y(x: Array, y: Array) -> Array:
    """x log y, and 0 where x is 0 (y is at least x / samples, hence never 0 where x is not)."""
    y = np.broadcast_to(y, x.shape)
    logarithms = np.log(y, out=np.zeros_like(x), where=x > 0)
    return x * logarithms
