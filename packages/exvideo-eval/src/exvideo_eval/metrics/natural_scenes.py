"""Statistics of natural pictures that distortions disturb (Mittal et al., IEEE TIP 21, 2012).

Luma less its local mean, over its local deviation, is near a Gaussian in natural pictures; blur, noise and blocks
change its shape and that of the products of neighbours. Both are fitted by asymmetric generalised Gaussians.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv2d

Array = NDArray[np.float64]

_RADIUS, _SIGMA = 3, 7 / 6


def normalised(luma: Array, floor: float) -> Array:
    """Luma (height, width) less its Gaussian mean, over its Gaussian deviation plus `floor`; 0 beyond the border."""
    x = torch.from_numpy(np.ascontiguousarray(luma, dtype=np.float64))[None, None]
    places = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-0.5 * (places / _SIGMA) ** 2)
    window = window / window.sum()

    def local(values: torch.Tensor) -> torch.Tensor:
        down = conv2d(values, window.view(1, 1, -1, 1), padding=(_RADIUS, 0))
        return conv2d(down, window.view(1, 1, 1, -1), padding=(0, _RADIUS))

    mean = local(x)
    deviation = (local(x**2) - mean**2).abs().sqrt()
    found: Array = ((x - mean) / (deviation + floor))[0, 0].numpy()
    return found


@dataclass(frozen=True)
class Fit:
    """An asymmetric generalised Gaussian by its moments: shape, root mean squares of both sides, mean."""

    shape: float
    left: float
    right: float

    @property
    def scale(self) -> float:
        """That a side's root mean square is multiplied by to get the density's width."""
        return math.sqrt(math.gamma(1 / self.shape) / math.gamma(3 / self.shape))

    @property
    def mean(self) -> float:
        ratio = math.gamma(2 / self.shape) / math.gamma(1 / self.shape)
        return (self.right - self.left) * self.scale * ratio


def fit(values: Array) -> Fit:
    """Of values of any shape (Lasmar et al., ICIP 2009), the shape parameter of 0.2, 0.201, ..., 9.999."""
    squares = values**2
    left, right = (math.sqrt(float(squares[side].mean())) if side.any() else 0.0 for side in (values < 0, values >= 0))
    total = float(squares.mean())
    if total == 0:
        return Fit(float(_shapes()[0][-1]), left, right)
    asymmetry = left / right if right > 0 else math.inf
    factor = 1.0 if math.isinf(asymmetry) else (asymmetry**3 + 1) * (asymmetry + 1) / (asymmetry**2 + 1) ** 2
    wanted = float(np.abs(values).mean()) ** 2 / total * factor
    shapes, ratios = _shapes()
    return Fit(float(shapes[np.argmin((ratios - wanted) ** 2)]), left, right)


@cache
def _shapes() -> tuple[Array, Array]:
    """Shape parameters, and the squared mean over the mean square of each, which rises with it."""
    shapes = np.arange(200, 10000) / 1000
    logs = [[math.lgamma(power / shape) for power in (1, 2, 3)] for shape in shapes]
    one, two, three = np.array(logs).T
    return shapes, np.exp(2 * two - one - three)
