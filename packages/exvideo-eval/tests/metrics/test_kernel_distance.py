import numpy as np
import pytest
from exvideo_eval.metrics.kernel_distance import polynomial_mmd


def sets(random: np.random.Generator, shift: float = 0.0, n: int = 12, m: int = 9) -> tuple[np.ndarray, np.ndarray]:
    return random.standard_normal((n, 5)), shift + random.standard_normal((m, 5))


def by_its_definition(x: np.ndarray, y: np.ndarray, unbiased: bool) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    def within(z: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j or not unbiased]
        return float(np.mean([kernel(z[i], z[j]) for i, j in pairs]))

    return within(x) + within(y) - 2 * float(np.mean([kernel(a, b) for a in x for b in y]))


@pytest.mark.parametrize("unbiased", [True, False])
def test_it_follows_its_definition(unbiased: bool) -> None:
    x, y = sets(np.random.default_rng(0), 0.5)
    expected = by_its_definition(x, y, unbiased)
    assert polynomial_mmd(x, y, unbiased=unbiased) == pytest.approx(expected, rel=1e-12)


def test_the_linear_kernel_is_the_squared_shift_of_means() -> None:
    x, y = sets(np.random.default_rng(1), 2.0)
    shift = x.mean(axis=0) - y.mean(axis=0)
    linear = polynomial_mmd(x, y, degree=1, gamma=1.0, coef0=0.0, unbiased=False)
    assert linear == pytest.approx(shift @ shift, rel=1e-12)


def test_the_square_kernel_is_the_squared_distance_of_second_moments() -> None:
    x, y = sets(np.random.default_rng(2), 1.0)
    moments = x.T @ x / len(x) - y.T @ y / len(y)
    squared = polynomial_mmd(x, y, degree=2, gamma=1.0, coef0=0.0, unbiased=False)
    assert squared == pytest.approx(np.square(moments).sum(), rel=1e-12)


def test_unbiased_it_is_about_nothing_for_equal_sets_of_any_size_and_biased_it_is_not() -> None:
    random = np.random.default_rng(3)
    drawn = [sets(random) for _ in range(400)]
    unbiased = np.array([polynomial_mmd(*pair) for pair in drawn])
    biased = np.array([polynomial_mmd(*pair, unbiased=False) for pair in drawn])
    assert abs(unbiased.mean()) < 3 * unbiased.std() / 20
    assert (unbiased < 0).any()
    assert biased.mean() > 10 * biased.std() / 20


def test_it_takes_turns_of_both_sets_and_either_order() -> None:
    random = np.random.default_rng(4)
    x, y = sets(random, 1.0)
    turn, _ = np.linalg.qr(random.standard_normal((5, 5)))
    for other in (polynomial_mmd(x @ turn, y @ turn), polynomial_mmd(y, x)):
        assert other == pytest.approx(polynomial_mmd(x, y), rel=1e-10)


def test_single_precision_features_are_summed_in_double() -> None:
    x, y = (z.astype(np.float32) for z in sets(np.random.default_rng(5), 1.0))
    assert polynomial_mmd(x, y) == polynomial_mmd(x.astype(np.float64), y.astype(np.float64))


def test_what_has_no_distance_is_refused() -> None:
    x, y = sets(np.random.default_rng(6))
    with pytest.raises(ValueError, match="1 samples are too few for this distance: give at least 2"):
        polynomial_mmd(x, y[:1])
    with pytest.raises(ValueError, match="Dimensions 5 and 3 have no kernel"):
        polynomial_mmd(x, y[:, :3])
    y[4, 0] = np.nan
    with pytest.raises(ValueError, match=r"features of 1 of 9 samples are not finite \(sample 4 is the first\)"):
        polynomial_mmd(x, y)
