"""Maximum mean discrepancy of two sets of features under a polynomial kernel (Gretton et al., JMLR 13, 2012).

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),    k(x, y) = (gamma x.y + coef0)^degree

Degree 3, gamma = 1 / dimension and coef0 = 1, unbiased, is the kernel of KID (Binkowski et al., arXiv 1801.01401).
Unlike a Fréchet distance, the unbiased estimate has the same mean at every number of samples, and may be negative.
"""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import finite

Array = NDArray[np.float64]


def polynomial_kernel(
    x: NDArray[np.floating], y: NDArray[np.floating], degree: int = 3, gamma: float | None = None, coef0: float = 1.0
) -> Array:
    """(gamma x.y + coef0)^degree of each x (n, dimension) with each y (m, dimension): (n, m) in double precision.

    Args:
        gamma: 1 / dimension by default.
    """
    gamma = 1 / x.shape[1] if gamma is None else gamma
    products: Array = np.asarray(x, dtype=np.float64) @ np.asarray(y, dtype=np.float64).T
    return (gamma * products + coef0) ** degree


def polynomial_mmd(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    unbiased: bool = True,
) -> float:
    """Squared maximum mean discrepancy of x (n, dimension) and y (m, dimension), drawn apart from one another.

    Args:
        gamma: 1 / dimension by default.
        unbiased: leave each sample's kernel with itself out (the estimate may be negative); else take all, >= 0 but
            for rounding.

    Raises:
        ValueError: the dimensions differ, a feature is not finite, or a set has too few samples: 2, or 1 if biased.
    """
    x, y = finite(x), finite(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"Dimensions {x.shape[1]} and {y.shape[1]} have no kernel: project both alike.")
    if min(len(x), len(y)) < 1 + unbiased:
        raise ValueError(f"{min(len(x), len(y))} samples are too few for this distance: give at least {1 + unbiased}.")
    within = [_mean_within(polynomial_kernel(z, z, degree, gamma, coef0), unbiased) for z in (x, y)]
    return sum(within) - 2 * float(polynomial_kernel(x, y, degree, gamma, coef0).mean())


def _mean_within(kernel: Array, unbiased: bool) -> float:
    count = len(kernel)
    if not unbiased:
        return float(kernel.mean())
    return float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
