import numpy as np
import pytest
from exvideo_eval.frechet import Projection, affordable_dimension, frechet_interval, require_filled
from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance


def test_projection_keeps_the_directions_of_largest_variance() -> None:
    features = np.random.default_rng(6).standard_normal((500, 5)) * [0.1, 9, 0.1, 4, 0.1]
    projected = Projection.fit(FeatureStatistics.of(features), 2)(features)
    np.testing.assert_allclose(np.cov(projected.T), np.diag(np.diag(np.cov(projected.T))), atol=1e-10)
    assert np.trace(np.cov(projected.T)) > 0.99 * np.trace(np.cov(features.T))


def test_too_few_samples_are_refused_with_the_dimension_that_would_do() -> None:
    with pytest.raises(ValueError, match=r"12 samples are too few .* in 8 dimensions, which needs 16.* at most 6\."):
        require_filled(12, 8)


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
