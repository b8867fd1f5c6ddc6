"""Means and maxima of images over squares, edges of the picture left out of a maximum and counted as 0 in a mean."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F


def mean_around(images: Tensor, radius: int) -> Tensor:
    """(T, H, W) of images of the same: the mean over the square of `radius` pixels to each side."""
    return _around(F.avg_pool2d, images, radius)


def max_around(images: Tensor, radius: int) -> Tensor:
    """(T, H, W) of images of the same: the maximum over the square of `radius` pixels to each side."""
    return _around(F.max_pool2d, images, radius)


def without_thin(images: Tensor, radius: int) -> Tensor:
    """(T, H, W) of 0 or 1: those squares of `radius` pixels to each side that are 1 as a whole, an opening."""
    return max_around(-max_around(-images, radius), radius)


def _around(pool: Callable[..., Tensor], images: Tensor, radius: int) -> Tensor:
    """Rows, then columns, which is the same and much faster."""
    rows = pool(images[:, None], (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return pool(rows, (2 * radius + 1, 1), stride=1, padding=(radius, 0))[:, 0]
