import numpy as np
import pytest
from exvideo_eval.metrics.kernel_inception_distance import kernel_inception_distance


def test_equal_laws_are_about_nothing_apart_and_shifted_ones_are_not() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 400, 8))
    alike, spread = kernel_inception_distance(x, y, subsets=20, subset_size=100)
    assert abs(alike) < 3 * spread
    assert kernel_inception_distance(x, y + 1, subsets=20, subset_size=100)[0] > 0.5


def test_the_same_seed_draws_the_same_subsets() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 50, 4))
    of = {seed: kernel_inception_distance(x, y, subsets=4, subset_size=20, seed=seed) for seed in (0, 1)}
    assert of[0] == kernel_inception_distance(x, y, subsets=4, subset_size=20, seed=0)
    assert of[0] != of[1]


def test_subsets_that_the_sets_cannot_fill_are_refused() -> None:
    x, y = np.zeros((999, 2)), np.zeros((2000, 2))
    with pytest.raises(ValueError, match="100 subsets of 1000 cannot be drawn from 999 and 2000 samples"):
        kernel_inception_distance(x, y)
