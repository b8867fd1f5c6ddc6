import numpy as np
import pytest
from exvideo_eval.metrics.frechet import FeatureStatistics
from exvideo_eval.projection import Projection, affordable_dimension, require_filled


def test_projection_keeps_the_directions_of_largest_variance() -> None:
    features = np.random.default_rng(6).standard_normal((500, 5)) * [0.1, 9, 0.1, 4, 0.1]
    projected = Projection.fit(FeatureStatistics.of(features), 2)(features)
    np.testing.assert_allclose(np.cov(projected.T), np.diag(np.diag(np.cov(projected.T))), atol=1e-10)
    assert np.trace(np.cov(projected.T)) > 0.99 * np.trace(np.cov(features.T))


def test_too_few_clips_are_refused_with_the_dimension_that_would_do() -> None:
    with pytest.raises(ValueError, match=r"12 clips are too few .* in 8 dimensions, which needs 16.* at most 6\."):
        require_filled(12, 8)


@pytest.mark.parametrize(
    ("real", "generated", "given", "kept"),
    [(100, 40, 1024, 10), (9999, 9999, 1024, 64), (3, 50, 9, 0), (9999, 499, 1024, 32), (500, 500, 1024, 64)],
)
def test_affordable_dimension(real: int, generated: int, given: int, kept: int) -> None:
    assert affordable_dimension(real, generated, given) == kept


def test_axes_and_rest_make_up_the_whole() -> None:
    random = np.random.default_rng(7)
    features = random.standard_normal((20, 3, 6)) * [5, 4, 3, 1, 1, 1]
    projection = Projection.fit(FeatureStatistics.of(features.reshape(-1, 6)), 3)
    whole = projection.mean + projection(features) @ projection.axes.T + projection.rest(features)
    np.testing.assert_allclose(whole, features)
    np.testing.assert_allclose(projection.rest(features) @ projection.axes, 0, atol=1e-12)


def test_the_share_of_variance_is_of_the_windows_at_one_place() -> None:
    random = np.random.default_rng(8)
    features = random.standard_normal((500, 2, 2)) * [3.0, 1.0]
    projection = Projection.fit(FeatureStatistics.of(features.reshape(-1, 2)), 1)
    assert projection.share_of_variance(features) == pytest.approx(0.9, abs=0.01)
    assert projection.share_of_variance(features + np.array([[0.0, 0.0], [0.0, 900.0]])) == pytest.approx(0.9, abs=0.01)
    assert projection.share_of_variance(np.zeros((5, 2, 2))) == 1
