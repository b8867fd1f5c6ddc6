import numpy as np
import pytest
from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance
from exvideo_eval.set_distances import frechet, frechet_by_window
from exvideo_eval.statistics import Sample

Array = np.ndarray


def sample(values: Array, weights: Array | None = None, first_unit: int = 0) -> Sample:
    weights = np.ones((1, len(values))) if weights is None else weights
    return Sample(values, weights, np.arange(first_unit, first_unit + len(values)))


def two_sets(windows: int = 3, shift: float = 0.5) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return shift + random.standard_normal((12, windows, 4)), random.standard_normal((9, windows, 4))


def strangers(first: Array, second: Array) -> tuple[Sample, Sample]:
    return sample(first), sample(second, first_unit=len(first))


def test_the_fréchet_distance_is_the_mean_over_windows_of_the_pure_one() -> None:
    first, second = two_sets()
    expected = [
        frechet_distance(FeatureStatistics.of(first[:, window]), FeatureStatistics.of(second[:, window]))
        for window in range(3)
    ]
    np.testing.assert_allclose(frechet_by_window(*strangers(first, second))[0], expected, rtol=1e-10)
    assert frechet(*strangers(first, second))[0] == pytest.approx(np.mean(expected), rel=1e-10)


def test_weights_are_repeats_and_what_weighs_nothing_is_not_there() -> None:
    first, second = two_sets()
    weights = np.array([[2, 0, 1, 1, 3, 1, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]], dtype=float)
    found = frechet(sample(first, weights), sample(second))
    for row in range(2):
        repeated = first.repeat(weights[row].astype(int), axis=0)
        assert found[row] == pytest.approx(frechet(*strangers(repeated, second))[0], rel=1e-9)


def test_a_large_common_offset_costs_no_precision() -> None:
    first, second = two_sets()
    near, far = frechet(*strangers(first, second)), frechet(*strangers(first + 1e6, second + 1e6))
    np.testing.assert_allclose(far, near, rtol=1e-6)


def test_clips_that_move_are_told_from_frozen_ones_that_pooled_windows_would_hide() -> None:
    random = np.random.default_rng(1)
    start = random.choice([0.0, 1.0], size=(60, 1, 1)) + 0.1 * random.standard_normal((60, 1, 1))
    real = np.concatenate([start, 1 - start], axis=1)  # each clip ends where others begin
    frozen = np.concatenate([start, start], axis=1)
    moved = np.concatenate([start, start + 1], axis=1)
    pooled = frechet_distance(*(FeatureStatistics.of(clips.reshape(-1, 1)) for clips in (real, frozen)))
    assert pooled < 0.02
    assert frechet(sample(frozen), sample(real))[0] < 0.05
    by_window = frechet_by_window(sample(frozen), sample(moved))[0]
    assert by_window[0] == pytest.approx(0, abs=1e-9)
    assert by_window[1] == pytest.approx(1, abs=0.05)


def test_a_thousand_draws_of_a_hundred_clips_take_seconds() -> None:
    import time

    random = np.random.default_rng(4)
    values = [random.standard_normal((100, 1, 24)) for _ in range(2)]
    weights = random.multinomial(100, np.full(100, 0.01), size=1000).astype(float)
    started = time.process_time()
    assert frechet(*(sample(each, weights) for each in values)).shape == (1000,)
    assert time.process_time() - started < 5


def test_draws_and_clips_that_are_taken_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_sets()
    weights = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=50).astype(float)
    whole = frechet_by_window(sample(first, weights), sample(second))
    monkeypatch.setattr("exvideo_eval.set_distances._AT_HAND", 5 * 4**2)
    np.testing.assert_allclose(frechet_by_window(sample(first, weights), sample(second)), whole, rtol=1e-9)
