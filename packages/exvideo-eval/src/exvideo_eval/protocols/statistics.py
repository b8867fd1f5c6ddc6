"""The number that a protocol makes of features: which formula, with which constants.

Each has the words that stand in a result where another network than the protocol's own gave the features.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance, frechet_distance_of_features
from exvideo_eval.metrics.inception_score import inception_score
from exvideo_eval.metrics.kernel_distance import polynomial_mmd
from exvideo_eval.metrics.kernel_inception_distance import kernel_inception_distance
from exvideo_eval.metrics.monge_inception_distance import monge_inception_distance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A value, and the spread over subsets or splits where the formula has some."""

    value: float
    spread: float | None = None


@dataclass(frozen=True)
class FrechetDistance:
    """Constants of a Fréchet distance; see `frechet_distance_of_features`. Always in double precision."""

    ddof: int
    ridge: float = 0.0
    root_eps: float = 0.0

    surrogate = "Fréchet distance, {network} features"
    unit, better = "squared feature units", "lower"

    def __call__(self, real: Array, generated: Array, seed: int) -> Figure:
        constants = {"ridge": self.ridge, "root_eps": self.root_eps}
        return Figure(frechet_distance_of_features(real, generated, ddof=self.ddof, **constants))

    def of_parts(self, real: Iterable[Array], generated: Iterable[Array]) -> Figure:
        """Of streams of features, one part in memory at a time; without ridge and epsilon."""
        if self.ridge or self.root_eps:
            raise ValueError("A stream has no ridge and no epsilon: give whole sets.")
        sets = FeatureStatistics.of_parts(real), FeatureStatistics.of_parts(generated)
        return Figure(frechet_distance(*sets, ddof=self.ddof))


@dataclass(frozen=True)
class KernelDistance:
    """Subsets of KID and KVD, whose kernel is (x.y / d + 1)^3, unbiased."""

    subsets: int = 100
    subset_size: int = 1000

    surrogate = "kernel distance, {network} features"
    unit, better = "squared maximum mean discrepancy", "lower"

    def __call__(self, real: Array, generated: Array, seed: int) -> Figure:
        sizes = {"subsets": self.subsets, "subset_size": self.subset_size}
        return Figure(*kernel_inception_distance(real, generated, seed=seed, **sizes))


@dataclass(frozen=True)
class PolynomialDistance:
    """Kernel (gamma x.y + coef0)^degree with gamma = 1 / d, over whole sets, times a factor."""

    degree: int
    coef0: float
    unbiased: bool
    factor: float

    surrogate = "polynomial kernel distance, {network} features"
    unit, better = "squared maximum mean discrepancy", "lower"

    def __call__(self, real: Array, generated: Array, seed: int) -> Figure:
        distance = polynomial_mmd(real, generated, self.degree, None, self.coef0, self.unbiased)
        # Of a biased estimate only rounding makes less than nothing.
        return Figure(self.factor * (distance if self.unbiased else max(0.0, distance)))


@dataclass(frozen=True)
class SlicedDistance:
    """Random directions of MIND."""

    projections: int

    surrogate = "sliced Wasserstein distance, {network} features"
    unit, better = "squared feature units", "lower"

    def __call__(self, real: Array, generated: Array, seed: int) -> Figure:
        return Figure(monge_inception_distance(real, generated, projections=self.projections, seed=seed))


@dataclass(frozen=True)
class ClassVariety:
    """Splits of an Inception Score and the order in which samples fall into them.

    Args:
        shuffle_seed: of numpy's `RandomState(seed).shuffle`, before splitting; None keeps the order of the files.
    """

    splits: int
    shuffle_seed: int | None

    surrogate = "class variety (exponential of mutual information), {network}"
    unit, better = "classes", "higher"

    def __call__(self, generated: Array) -> Figure:
        if self.shuffle_seed is not None:
            generated = generated.copy()
            np.random.RandomState(self.shuffle_seed).shuffle(generated)
        return Figure(*inception_score(generated, self.splits))


Distance = FrechetDistance | KernelDistance | PolynomialDistance | SlicedDistance


@dataclass(frozen=True)
class CaptionSimilarity:
    """Cosine of each frame with the clip's caption, averaged over frames, then over clips; no clip is clamped.

    Args:
        factor: 1 is the raw cosine; 100 is torchmetrics' scale.
        clamped: the mean of all clips is not let below 0.
    """

    factor: float
    clamped: bool

    better = "higher"

    @property
    def unit(self) -> str:
        return "cosine" if self.factor == 1 else f"{self.factor:g} x cosine"

    @property
    def surrogate(self) -> str:
        return f"caption similarity ({self.unit}), {{network}}"


@dataclass(frozen=True)
class FrameConsistency:
    """Cosine of each frame with the next, averaged over frames, then over clips. A frozen clip has 1, the most."""

    surrogate = "frame consistency, {network}"
    unit, better = "cosine", "neutral"


@dataclass(frozen=True)
class FrechetByFrame:
    """A Fréchet distance of the clips' frames of one index, for each index."""

    ddof: int

    surrogate = "Fréchet distance by frame index, {network} features"
    unit, better = "squared feature units", "lower"

    def __call__(self, real: Array, generated: Array, seed: int) -> Figure:
        return Figure(frechet_distance_of_features(real, generated, ddof=self.ddof))


Statistic = Distance | ClassVariety | CaptionSimilarity | FrameConsistency | FrechetByFrame
