import numpy as np
import pytest
from exvideo_eval.metrics.frechet import (
    FeatureStatistics,
    frechet_distance,
    frechet_distance_of_features,
    gaussian_distances,
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
    assert frechet_distance(statistics, statistics) < 1e-12 * np.trace(statistics.covariance())


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
    np.testing.assert_allclose(streamed.covariance(), np.cov(features.T), rtol=1e-7, atol=1e-9)
    assert streamed.count == 300


def test_turning_and_shifting_both_sets_changes_nothing_and_scaling_goes_by_the_square() -> None:
    random = np.random.default_rng(6)
    one, two = random.standard_normal((40, 6)), 1 + random.standard_normal((50, 6)) * [1, 2, 3, 1, 1, 1]
    turn, _ = np.linalg.qr(random.standard_normal((6, 6)))
    distance = frechet_distance(FeatureStatistics.of(one), FeatureStatistics.of(two))
    moved = frechet_distance(*(FeatureStatistics.of(3 * x @ turn + 7) for x in (one, two)))
    assert moved == pytest.approx(9 * distance, rel=1e-10)


def test_dividing_by_n_shrinks_all_but_the_shift_of_means() -> None:
    random = np.random.default_rng(7)
    one, two = (FeatureStatistics.of(mean + random.standard_normal((20, 5))) for mean in (0, 1))
    shift = np.square(one.mean - two.mean).sum()
    by_n_less_one, by_n = frechet_distance(one, two), frechet_distance(one, two, ddof=0)
    assert by_n == pytest.approx(shift + 19 / 20 * (by_n_less_one - shift), rel=1e-10)


def test_equal_sets_of_few_samples_are_as_far_apart_as_is_known() -> None:
    random = np.random.default_rng(8)
    d, n = 8, 400
    drawn = [
        frechet_distance(*(FeatureStatistics.of(random.standard_normal((n, d))) for _ in range(2))) for _ in range(100)
    ]
    assert np.mean(drawn) == pytest.approx(d * (d + 1) / (2 * n) + 2 * d / n, rel=0.05)


def test_fewer_samples_than_dimensions_give_what_the_samples_span() -> None:
    random = np.random.default_rng(9)
    one, two = random.standard_normal((2, 9, 4))
    turn, _ = np.linalg.qr(random.standard_normal((60, 60)))
    wide = [np.pad(x, ((0, 0), (0, 56))) @ turn for x in (one, two)]
    narrow = frechet_distance(FeatureStatistics.of(one), FeatureStatistics.of(two))
    assert frechet_distance(*map(FeatureStatistics.of, wide)) == pytest.approx(narrow, rel=1e-9)


def test_many_at_once_equal_one_by_one() -> None:
    random = np.random.default_rng(10)
    pairs = [[FeatureStatistics.of(random.standard_normal((count, 4))) for count in (3, 9)] for _ in range(5)]
    at_once = gaussian_distances(
        np.stack([one.mean - two.mean for one, two in pairs]),
        *(np.stack([pair[side].covariance() for pair in pairs]) for side in (0, 1)),
    )
    np.testing.assert_allclose(at_once, [frechet_distance(*pair) for pair in pairs], rtol=1e-10)


def test_sets_of_other_dimensions_and_single_samples_are_refused() -> None:
    one, two = (FeatureStatistics.of(np.ones((5, d))) for d in (3, 4))
    with pytest.raises(ValueError, match="Dimensions 3 and 4 have no distance"):
        frechet_distance(one, two)
    with pytest.raises(ValueError, match="1 sample has no covariance by N - 1: give at least 2"):
        frechet_distance(one, FeatureStatistics.of(np.ones((1, 3))))
    with pytest.raises(ValueError, match="A mean of no features"):
        FeatureStatistics.of(np.ones((0, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named(value: float) -> None:
    features = np.ones((5, 3))
    features[2, 1] = features[4, 0] = value
    for statistics in (FeatureStatistics.of, lambda given: FeatureStatistics.of_parts([given])):
        with pytest.raises(ValueError, match=r"features of 2 of 5 samples are not finite \(sample 2 is the first\)"):
            statistics(features)


@pytest.mark.parametrize("ddof", [0, 1])
def test_cross_products_of_few_samples_equal_the_whole_matrices(ddof: int) -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((12, 40)), random.standard_normal((9, 40)) + 0.5
    whole = frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y), ddof=ddof)
    assert frechet_distance_of_features(x, y, ddof=ddof) == pytest.approx(whole, rel=1e-9)
    assert frechet_distance_of_features(x, x[::-1], ddof=ddof) == pytest.approx(0, abs=1e-12)


def test_a_ridge_adds_nothing_between_sets_of_one_covariance() -> None:
    x = np.random.default_rng(0).standard_normal((50, 6))
    assert frechet_distance_of_features(x, x + 2, ridge=1e-3) == pytest.approx(24, rel=1e-9)
    still = np.zeros((4, 6))  # between nothing and x, it adds to the roots as well
    plain, ridged = (frechet_distance_of_features(x, still, ridge=ridge) for ridge in (0.0, 0.01))
    roots = np.sqrt(np.linalg.eigvalsh(np.cov(x.T)) + 0.01)
    assert ridged - plain == pytest.approx(12 * 0.01 - 2 * 0.1 * roots.sum(), rel=1e-9)


def test_a_root_with_an_epsilon_leaves_small_variances_as_they_are() -> None:
    """TensorFlow-GAN's root, by its definition on diagonal covariances."""
    variances = np.array([4.0, 1e-3])
    x = np.concatenate([np.diag(np.sqrt(variances)), -np.diag(np.sqrt(variances))])  # covariance: diag(2 v / 3)
    s = 2 * variances / 3
    eps = 1e-2

    def root(value: float) -> float:
        return value if value < eps else float(np.sqrt(value))

    expected = sum(2 * value - 2 * root(root(value) * value * root(value)) for value in s)
    assert frechet_distance_of_features(x, x, root_eps=eps) == pytest.approx(expected, rel=1e-9)
