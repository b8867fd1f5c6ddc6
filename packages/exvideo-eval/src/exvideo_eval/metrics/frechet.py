"""Fréchet distance between two sets of features.

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1^1/2 S2 S1^1/2)^1/2)

is the squared 2-Wasserstein distance of the two Gaussians with the sets' means m and covariances S (Dowson and Landau,
1982). It grows as samples get fewer: two equal sets of N samples in d dimensions, N > d, are about d(d + 1) / (2N) +
2d / N apart. Always say on which features: only on an I3D network is it the "FVD" of the literature.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
            ValueError: there is no sample, or a feature is not finite.
        """
        values = finite(features)
        if len(values) == 0:
            raise ValueError("A mean of no features is none: give at least one sample.")
        mean = values.mean(axis=0)
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred)

    @classmethod
    def of_parts(cls, parts: Iterable[NDArray[np.floating]]) -> "FeatureStatistics":
        """Of a stream of features, each part (samples, dimension), one part in memory at a time.

        Raises:
            ValueError: there is no part, one is empty, or a feature is not finite.
        """
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

    def covariance(self, ddof: int = 1) -> Array:
        """Covariance (dimension, dimension): scatter / (count - ddof); 1 is unbiased, 0 as some authors take it.

        Raises:
            ValueError: there are not more samples than `ddof`.
        """
        _require_more_than(ddof, self.count)
        return self.scatter / (self.count - ddof)

    @property
    def dimension(self) -> int:
        return len(self.mean)


def finite(features: NDArray[np.floating]) -> Array:
    """Features (samples, dimension) in double precision.

    Raises:
        ValueError: they have another shape, or one is not finite.
    """
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"The features are of shape {values.shape}: give (samples, dimension).")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"The features of {len(bad)} of {len(values)} samples are not finite (sample {bad[0]} is the first): "
            "look at those clips, or take other features."
        )
    return values


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics, *, ddof: int = 1) -> float:
    """Squared Fréchet distance of two sets, >= 0, in squared feature units.

    Args:
        ddof: covariances are divided by the number of samples less this; see `FeatureStatistics.covariance`.

    Raises:
        ValueError: the dimensions differ, or a set has not more samples than `ddof`.
    """
    _require_same_dimension(first.dimension, second.dimension)
    shift = first.mean - second.mean
    return float(gaussian_distances(shift, first.covariance(ddof), second.covariance(ddof)))


def frechet_distance_of_features(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    ddof: int = 1,
    ridge: float = 0.0,
    root_eps: float = 0.0,
) -> float:
    """Squared Fréchet distance of features (n, dimension) and (m, dimension), >= 0, by the cheaper of two ways.

    With fewer samples than dimensions, the trace of the root is the nuclear norm of the centred sets' cross products
    (n, m), and no matrix of dimension x dimension is made; or, with a ridge or epsilon, both sets are turned into the
    dimensions that they fill, as in the others both covariances are the same multiple of one, and at no distance.

    Args:
        ddof: see `frechet_distance`.
        ridge: added to the diagonals of both covariances, as some authors do.
        root_eps: singular values below it are left as they are where the root is taken, as TensorFlow-GAN does. Equal
            sets are then apart by up to 2 sqrt(root_eps) in each dimension whose variance is below sqrt(root_eps).

    Raises:
        ValueError: as `frechet_distance`; or a feature is not finite.
    """
    if not ridge and not root_eps and max(len(first), len(second)) <= first.shape[-1]:
        return _distance_by_cross_products(finite(first), finite(second), ddof)
    _require_same_dimension(first.shape[-1], second.shape[-1])
    one, two = map(FeatureStatistics.of, _on_their_span(finite(first), finite(second)))
    if not ridge and not root_eps:
        return frechet_distance(one, two, ddof=ddof)
    padding = ridge * np.eye(one.dimension)
    covariances = one.covariance(ddof) + padding, two.covariance(ddof) + padding
    shift = one.mean - two.mean
    if not root_eps:
        return float(gaussian_distances(shift, *covariances))
    overlap = _trace_of_root_above(root_eps, *covariances)
    return max(0.0, float(shift @ shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * overlap))


def gaussian_distances(shift: Array, first: Array, second: Array) -> Array:
    """Squared Fréchet distances (...), each >= 0, of Gaussians.

    Args:
        shift: differences of their means (..., dimension).
        first, second: their covariances (..., dimension, dimension).
    """
    # With S = R R^T, the trace of the root is the sum of the singular values of R1^T R2 (its nuclear norm). Taking
    # those, and not roots of eigenvalues of a product, keeps rounding noise of 1e-16 from becoming 1e-8 in each empty
    # direction, and never meets a complex number.
    overlap = np.linalg.svd(np.swapaxes(_factor(first), -1, -2) @ _factor(second), compute_uv=False).sum(axis=-1)
    traces = np.trace(first, axis1=-2, axis2=-1) + np.trace(second, axis1=-2, axis2=-1)
    distances: Array = np.square(shift).sum(axis=-1) + traces - 2 * overlap
    return np.maximum(distances, 0.0)  # equal sets come out as +-1e-16 times their traces


def _factor(covariance: Array) -> Array:
    """R (..., dimension, rank) with R R^T the covariance; eigenvalues below rounding noise count as zero.

    The rank is the largest of the batch: N - 1 where there are fewer samples than dimensions.
    """
    values, vectors = np.linalg.eigh(covariance)
    noise = np.maximum(values[..., -1:], 0.0) * values.shape[-1] * np.finfo(np.float64).eps
    roots = np.sqrt(np.where(values > noise, values, 0.0))
    filled = roots.any(axis=tuple(range(roots.ndim - 1)))
    factor: Array = (vectors * roots[..., None, :])[..., filled]
    return factor


def _distance_by_cross_products(first: Array, second: Array, ddof: int) -> float:
    _require_same_dimension(first.shape[1], second.shape[1])
    means, roots = [], []
    for values in (first, second):
        _require_more_than(ddof, len(values))
        means.append(values.mean(axis=0))
        roots.append((values - means[-1]) / np.sqrt(len(values) - ddof))
    overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    traces = sum(np.square(root).sum() for root in roots)
    return max(0.0, float(np.square(means[0] - means[1]).sum() + traces - 2 * overlap))


def _on_their_span(first: Array, second: Array) -> tuple[Array, Array]:
    """Both sets about their common mean, turned into as many dimensions as there are samples, if those are fewer."""
    rows = np.concatenate([first, second])
    if len(rows) >= rows.shape[1]:
        return first, second
    centred = rows - rows.mean(axis=0)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    return turned[: len(first)], turned[len(first) :]


def _trace_of_root_above(eps: float, first: Array, second: Array) -> float:
    """tr((S1^1/2 S2 S1^1/2)^1/2), where a root of what is below `eps` is that itself."""

    def roots(values: Array) -> Array:
        values = np.maximum(values, 0.0)
        return np.where(values < eps, values, np.sqrt(values))

    values, vectors = np.linalg.eigh(first)
    root = (vectors * roots(values)) @ vectors.T
    return float(roots(np.linalg.eigvalsh(root @ second @ root)).sum())


def _require_same_dimension(first: int, second: int) -> None:
    if first != second:
        raise ValueError(f"Dimensions {first} and {second} have no distance: project both alike.")


def _require_more_than(ddof: int, count: int) -> None:
    if count <= ddof:
        raise ValueError(f"{count} sample has no covariance by N - {ddof}: give at least {ddof + 1}.")
