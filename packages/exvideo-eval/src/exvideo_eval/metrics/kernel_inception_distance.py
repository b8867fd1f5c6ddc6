"""Kernel distance averaged over random subsets, as KID is (Binkowski et al., arXiv 1801.01401, section 4.1).

KID on Inception-v3 features of images, KVD on I3D features of videos: the unbiased squared maximum mean discrepancy
under (x.y / d + 1)^3, in subsets of equal size, so that sets of different sizes compare.
"""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.kernel_distance import polynomial_mmd

Array = NDArray[np.float64]


def kernel_inception_distance(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation (N) of the unbiased kernel distance over subsets drawn without replacement.

    Args:
        first, second: features (n, dimension) and (m, dimension).
        seed: of the draws; the same subsets at the same seed and sizes.

    Raises:
        ValueError: a set has fewer samples than a subset, or the features do not fit together.
    """
    smaller = min(len(first), len(second))
    if smaller < subset_size or subset_size < 2 or subsets < 1:
        raise ValueError(
            f"{subsets} subsets of {subset_size} cannot be drawn from {len(first)} and {len(second)} samples: "
            f"give subsets of 2 to {smaller}, or more samples."
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    values = []
    for _ in range(subsets):
        drawn = [generator.permutation(len(features))[:subset_size] for features in (first, second)]
        values.append(polynomial_mmd(first[drawn[0]], second[drawn[1]]))
    return float(np.mean(values)), float(np.std(values))
