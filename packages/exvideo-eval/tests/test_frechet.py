import numpy as np
import pytest
from exvideo_eval.frechet import (
    FeatureStatistics,
    Projection,
    affordable_dimension,
    frechet_distance,
    frechet_interval,
)


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> FeatureStatistics:
    """Statistics of a Gaussian itself, as if of very many samples."""
    return FeatureStatistics(10**6, mean, covariance * (10**6 - 1))


def random_covariance(random: np.random.Generator, dimension: int, rank: int | None = None) -> np.ndarray:
    factor = random.standard_normal((dimension, rank or dimension))
    return factor @ factor.T


def test_a_set_is_at_no_distance_from_itself() -> None:
    features = np.random.default_rng(0).standard_normal((300, 64)) * np.logspace(-3, 3, 64)
    statistics = FeatureStatistics.of(features)
    assert frechet_distance(statistics, statistics) < 1e-12 * np.trace(statistics.covariance)


def test_commuting_gaussians_follow_the_closed_form() -> None:
    random = np.random.default_rng(1)
    basis, _ = np.linalg.qr(random.standard_normal((10, 10)))
    first, second = random.uniform(0, 4, 10), random.uniform(0, 4, 10)
    shift = random.standard_normal(10)
    expected = shift @ shift + np.square(np.sqrt(first) - np.sqrt(second)).sum()
    one = gaussian(np.zeros(10), basis * first @ basis.T)
    two = gaussian(shift, basis * second @ basis.T)
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-10)


def test_two_dimensions_follow_the_closed_form_without_commuting() -> None:
    random = np.random.default_rng(2)
    one, two = random_covariance(random, 2), random_covariance(random, 2)
    # tr sqrt(M) of a 2x2 matrix M is sqrt(tr M + 2 sqrt(det M)).
    overlap = np.sqrt(np.trace(one @ two) + 2 * np.sqrt(np.linalg.det(one @ two)))
    expected = np.trace(one) + np.trace(two) - 2 * overlap
    assert frechet_distance(gaussian(np.zeros(2), one), gaussian(np.zeros(2), two)) == pytest.approx(expected)


def test_singular_covariances_do_not_gather_rounding_noise() -> None:
    random = np.random.default_rng(3)
    factor = random.standard_normal((100, 5))
    low_rank = factor @ factor.T
    scaled = gaussian(np.zeros(100), 9 * low_rank)
    expected = np.trace(low_rank) * (3 - 1) ** 2
    assert frechet_distance(gaussian(np.zeros(100), low_rank), scaled) == pytest.approx(expected, rel=1e-10)


def test_distance_is_symmetric() -> None:
    random = np.random.default_rng(4)
    one, two = (gaussian(random.standard_normal(8), random_covariance(random, 8)) for _ in range(2))
    assert frechet_distance(one, two) == pytest.approx(frechet_distance(two, one), rel=1e-12)


@pytest.mark.parametrize("cuts", [[1], [7, 8, 200], list(range(1, 300))])
def test_streamed_statistics_equal_those_of_the_whole_in_spite_of_a_large_offset(cuts: list[int]) -> None:
    features = np.random.default_rng(5).standard_normal((300, 6)) + 1e6
    streamed = FeatureStatistics.of_parts(np.split(features, cuts))
    np.testing.assert_allclose(streamed.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(streamed.covariance, np.cov(features.T), rtol=1e-7, atol=1e-9)
    assert streamed.count == 300


def test_projection_keeps_the_directions_of_largest_variance() -> None:
    features = np.random.default_rng(6).standard_normal((500, 5)) * [0.1, 9, 0.1, 4, 0.1]
    projected = Projection.fit(FeatureStatistics.of(features), 2)(features)
    np.testing.assert_allclose(np.cov(projected.T), np.diag(np.diag(np.cov(projected.T))), atol=1e-10)
    assert np.trace(np.cov(projected.T)) > 0.99 * np.trace(np.cov(features.T))


def test_too_few_samples_are_refused_with_the_dimension_that_would_do() -> None:
    features = np.random.default_rng(7).standard_normal((12, 8))
    statistics = FeatureStatistics.of(features)
    with pytest.raises(ValueError, match=r"12 samples are too few .* in 8 dimensions, which needs 16.* at most 6\."):
        frechet_distance(statistics, statistics)


@pytest.mark.parametrize(
    ("real", "generated", "given", "kept"),
    [(100, 40, 1024, 10), (9999, 9999, 1024, 64), (3, 50, 9, 0), (9999, 499, 1024, 32), (500, 500, 1024, 64)],
)
def test_affordable_dimension(real: int, generated: int, given: int, kept: int) -> None:
    assert affordable_dimension(real, generated, given) == kept


def clips_of(random: np.random.Generator, num_clips: int, shift: float) -> list[np.ndarray]:
    """Clips of four alike windows each, as real footage gives."""
    return [shift + random.standard_normal((1, 4)) + 0.5 * random.standard_normal((4, 4)) for _ in range(num_clips)]


def test_interval_covers_what_other_clips_would_give() -> None:
    random = np.random.default_rng(8)
    values, intervals = [], []
    for _ in range(60):
        real, generated = clips_of(random, 12, 0), clips_of(random, 12, 0.8)
        values.append(frechet_distance(*(FeatureStatistics.of_parts(clips) for clips in (real, generated))))
        intervals.append(frechet_interval(real, generated, resamples=40, level=0.95, seed=0))
    covered = np.mean([interval.low <= np.mean(values) <= interval.high for interval in intervals if interval])
    assert covered >= 0.85
    assert np.mean([interval.high - interval.low for interval in intervals if interval]) < 8 * np.std(values)


def test_interval_is_the_same_for_the_same_seed_and_absent_for_two_clips() -> None:
    random = np.random.default_rng(9)
    real, generated = clips_of(random, 6, 0), clips_of(random, 6, 1)
    one, again, other = (frechet_interval(real, generated, resamples=20, level=0.9, seed=s) for s in (1, 1, 2))
    assert one == again != other
    assert frechet_interval(real, generated[:2], resamples=20, level=0.9, seed=0) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named(value: float) -> None:
    features = np.ones((5, 3))
    features[2, 1] = features[4, 0] = value
    for statistics in (FeatureStatistics.of, lambda given: FeatureStatistics.of_parts([given])):
        with pytest.raises(ValueError, match=r"features of 2 of 5 samples are not finite \(sample 2 is the first\)"):
            statistics(features)
