"""Features of few clips on the leading axes of the real ones, and what lies off these axes.

Few clips cannot fill the covariance of a 1024-dimensional space; on their leading axes they can. A distance there does
not see what lies off them, so the share of variance on them, and the shift of the means off them, stand beside it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import FeatureStatistics

Array = NDArray[np.float64]

# With fewer samples than this per dimension, the covariance's own noise is most of the distance.
SAMPLES_PER_DIMENSION = 2
MAX_DIMENSIONS = 64
# The later axes of few samples are mostly noise, which adds to every distance alike.
SMALL_SET, MAX_DIMENSIONS_OF_SMALL_SET = 500, 32


@dataclass(frozen=True)
class Projection:
    """Orthogonal projection on the leading principal axes of the real features.

    Fitted on the real set alone, so that every generated set is judged in the same space.
    """

    mean: Array
    axes: Array  # (dimension given, dimension kept)

    @classmethod
    def fit(cls, real: FeatureStatistics, dimension: int) -> "Projection":
        """The `dimension` axes of largest variance, each with the sign that makes its largest component positive.

        Raises:
            ValueError: dimension is not between 1 and the features' own.
        """
        if not 1 <= dimension <= real.dimension:
            raise ValueError(f"Dimension is {dimension}: give 1 to {real.dimension}, as many as the features have.")
        _, vectors = np.linalg.eigh(real.covariance())
        axes = vectors[:, ::-1][:, :dimension]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
        return cls(real.mean, axes * np.sign(largest))

    def __call__(self, features: NDArray[np.floating]) -> Array:
        """Features (..., dimension given) to (..., dimension kept)."""
        projected: Array = (np.asarray(features, dtype=np.float64) - self.mean) @ self.axes
        return projected

    def rest(self, features: NDArray[np.floating]) -> Array:
        """Features (..., dimension given) without their parts on the axes; the mean taken off."""
        centred = np.asarray(features, dtype=np.float64) - self.mean
        rest: Array = centred - (centred @ self.axes) @ self.axes.T
        return rest

    def share_of_variance(self, features: Collection[Array]) -> float:
        """The share in [0, 1] of the variance of features, window by window, on the axes.

        1 where there is no variance at all.

        Args:
            features: (windows, dimension) of each clip; gone through four times, one at a time.
        """
        on, off = (_variance(part, features) for part in (self, self.rest))
        return on / (on + off) if on + off > 0 else 1.0


def _variance(part: Callable[[Array], Array], features: Collection[Array]) -> float:
    """Of a part of features, by N - 1, summed over dimensions, mean over windows."""
    zero = np.zeros(())
    mean: Array = sum((part(clip) for clip in features), zero) / len(features)
    squares: Array = sum((np.square(part(clip) - mean) for clip in features), zero)
    return float((squares / (len(features) - 1)).sum(axis=-1).mean())


def affordable_dimension(num_real: int, num_generated: int, feature_dimension: int) -> int:
    """The dimension that the smaller set of clips fills with twice the required number; 0 if there is none.

    At most 64, and at most 32 if the smaller set has fewer than 500 clips.
    """
    num_clips = min(num_real, num_generated)
    max_dimensions = MAX_DIMENSIONS_OF_SMALL_SET if num_clips < SMALL_SET else MAX_DIMENSIONS
    return min(max_dimensions, feature_dimension, num_clips // (2 * SAMPLES_PER_DIMENSION))


def require_filled(num_clips: int, dimension: int) -> None:
    """Raises ValueError if there are fewer than two clips a dimension."""
    required = SAMPLES_PER_DIMENSION * dimension
    if num_clips < required:
        raise ValueError(
            f"{num_clips} clips are too few for a Fréchet distance in {dimension} dimensions, which needs "
            f"{required}: give more clips, or a dimension of at most {num_clips // SAMPLES_PER_DIMENSION}."
        )
