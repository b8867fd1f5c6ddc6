"""Fréchet distance of few clips: on the leading axes of the real features, with an interval over clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import normal_interval, resampled_clips
from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance
from exvideo_eval.result_parts import Interval

Array = NDArray[np.float64]

# With fewer samples than this per dimension, the covariance's own noise is most of the distance.
SAMPLES_PER_DIMENSION = 2
MAX_DIMENSIONS = 64
# The later axes of few samples are mostly noise, which adds to every distance alike.
SMALL_SET, MAX_DIMENSIONS_OF_SMALL_SET = 500, 32


@dataclass(frozen=True)
class Projection:
    """Orthogonal projection on the leading principal axes of the real features.

    Few clips cannot fill the covariance of a 1024-dimensional space; on their leading axes they can. What lies off
    these axes is not seen. Fitted on the real set alone, so that every generated set is judged in the same space.
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
        """Features (samples, dimension given) to (samples, dimension kept)."""
        projected: Array = (np.asarray(features, dtype=np.float64) - self.mean) @ self.axes
        return projected


def affordable_dimension(num_real: int, num_generated: int, feature_dimension: int) -> int:
    """The dimension that the smaller set fills with twice the required number of samples; 0 if there is none.

    At most 64, and at most 32 if the smaller set has fewer than 500 samples.
    """
    num_samples = min(num_real, num_generated)
    max_dimensions = MAX_DIMENSIONS_OF_SMALL_SET if num_samples < SMALL_SET else MAX_DIMENSIONS
    return min(max_dimensions, feature_dimension, num_samples // (2 * SAMPLES_PER_DIMENSION))


def require_filled(count: int, dimension: int) -> None:
    """Raises ValueError if `count` samples are fewer than two a dimension."""
    required = SAMPLES_PER_DIMENSION * dimension
    if count < required:
        raise ValueError(
            f"{count} samples are too few for a Fréchet distance in {dimension} dimensions, which needs "
            f"{required}: give more or longer clips, or a dimension of at most {count // SAMPLES_PER_DIMENSION}."
        )


def frechet_interval(
    real: Sequence[Array], generated: Sequence[Array], *, resamples: int, level: float, seed: int
) -> Interval | None:
    """Bootstrap interval of the distance between two sets of clips, each clip's windows (windows, dimension) together.

    Whole clips are drawn, from both sets, as windows of one clip are alike. Repeated clips make a resampled covariance
    narrower, which shifts the distance upwards: so only the spread of the draws is used, around the measured value.
    None for fewer than 3 clips in a set or fewer than 2 resamples.
    """
    if min(len(real), len(generated)) < 3 or resamples < 2:
        return None
    value = frechet_distance(FeatureStatistics.of_parts(real), FeatureStatistics.of_parts(generated))
    real_draws = resampled_clips(len(real), resamples, seed)
    generated_draws = resampled_clips(len(generated), resamples, seed + 1)
    draws = [
        frechet_distance(
            FeatureStatistics.of(np.concatenate([real[index] for index in real_draw])),
            FeatureStatistics.of(np.concatenate([generated[index] for index in generated_draw])),
        )
        for real_draw, generated_draw in zip(real_draws, generated_draws, strict=True)
    ]
    return normal_interval(value, np.array(draws), level, minimum=0.0)
