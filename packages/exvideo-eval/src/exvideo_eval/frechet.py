"""Fréchet distance between two sets of features: pure functions from features to a number.

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1^1/2 S2 S1^1/2)^1/2)

is the squared 2-Wasserstein distance of the two Gaussians with the sets' means m and covariances S (Dowson and Landau,
1982). Always say on which features: only on an I3D network is it the "FVD" of the literature, so nothing here is called
that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import normal_interval, resampled_clips
from exvideo_eval.results import Interval

Array = NDArray[np.float64]

# With fewer samples than this per dimension, the covariance's own noise is most of the distance.
SAMPLES_PER_DIMENSION = 2
MAX_DIMENSIONS = 64
# The later axes of few samples are mostly noise, which adds to every distance alike.
SMALL_SET, MAX_DIMENSIONS_OF_SMALL_SET = 500, 32


@dataclass(frozen=True)
class FeatureStatistics:
    """Count, mean (dimension,) and scatter (dimension, dimension) = sum of (x - mean)(x - mean)^T, in double precision.

    Statistics of parts merge into those of the whole, so that features need not be held at once.
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> "FeatureStatistics":
        """Of features (samples, dimension); two passes, so that a large common offset costs no precision.

        Raises:
            ValueError: a feature is not finite.
        """
        values = np.asarray(features, dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise ValueError(
                f"The features of {len(bad)} of {len(values)} samples are not finite (sample {bad[0]} is the first): "
                "look at those clips, or take other features."
            )
        mean = values.mean(axis=0)
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred)

    @classmethod
    def of_parts(cls, parts: Iterable[NDArray[np.floating]]) -> "FeatureStatistics":
        """Of a stream of features, each part (samples, dimension), one part in memory at a time."""
        statistics: FeatureStatistics | None = None
        for part in parts:
            new = cls.of(part)
            statistics = new if statistics is None else statistics.merge(new)
        if statistics is None:
            raise ValueError("A mean of no features is none: give at least one sample.")
        return statistics

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Statistics of both sets together (Chan, Golub and LeVeque, 1983)."""
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
        return FeatureStatistics(count, mean, scatter)

    @property
    def covariance(self) -> Array:
        """Unbiased covariance (dimension, dimension)."""
        return self.scatter / (self.count - 1)

    @property
    def dimension(self) -> int:
        return len(self.mean)


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
        _, vectors = np.linalg.eigh(real.covariance)
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


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """Squared Fréchet distance of two sets, >= 0, in squared feature units.

    Raises:
        ValueError: the dimensions differ, or a set has fewer than two samples a dimension.
    """
    if first.dimension != second.dimension:
        raise ValueError(f"Dimensions {first.dimension} and {second.dimension} have no distance: project both alike.")
    count, required = min(first.count, second.count), SAMPLES_PER_DIMENSION * first.dimension
    if count < required:
        raise ValueError(
            f"{count} samples are too few for a Fréchet distance in {first.dimension} dimensions, which needs "
            f"{required}: give more or longer clips, or a dimension of at most {count // SAMPLES_PER_DIMENSION}."
        )
    return _distance(first, second)


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
    value = _distance(FeatureStatistics.of_parts(real), FeatureStatistics.of_parts(generated))
    real_draws = resampled_clips(len(real), resamples, seed)
    generated_draws = resampled_clips(len(generated), resamples, seed + 1)
    draws = [
        _distance(
            FeatureStatistics.of(np.concatenate([real[index] for index in real_draw])),
            FeatureStatistics.of(np.concatenate([generated[index] for index in generated_draw])),
        )
        for real_draw, generated_draw in zip(real_draws, generated_draws, strict=True)
    ]
    return normal_interval(value, np.array(draws), level, minimum=0.0)


def _distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    one, two = first.covariance, second.covariance
    # tr((S1^1/2 S2 S1^1/2)^1/2) is the sum of the singular values of S1^1/2 S2^1/2. Taking those, and not roots of
    # eigenvalues of the product, keeps rounding noise of 1e-16 from becoming 1e-8 in each empty direction.
    overlap = np.linalg.svd(_square_root(one) @ _square_root(two), compute_uv=False).sum()
    shift = first.mean - second.mean
    distance = shift @ shift + np.trace(one) + np.trace(two) - 2 * overlap
    return max(float(distance), 0.0)  # equal sets come out as +-1e-16 times their traces


def _square_root(covariance: Array) -> Array:
    """Symmetric root of a positive semi-definite matrix; eigenvalues below rounding noise count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    noise = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    roots = np.sqrt(np.where(values > noise, values, 0.0))
    root: Array = (vectors * roots) @ vectors.T
    return root
