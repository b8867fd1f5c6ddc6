"""Intervals against what is known of them; `test_coverage.py` has simulations."""

import math

import numpy as np
import pytest
from exvideo_eval.measure import mean
from exvideo_eval.statistics import Clips, Resampling, jackknife, percentile_interval, ratio_interval

RESAMPLING = Resampling(400, 0.95, 0)


def clips(values: np.ndarray, prefix: str = "") -> Clips:
    return Clips(values, tuple(f"{prefix}{index}" for index in range(len(values))))


def test_the_jackknife_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).standard_normal(20)
    found = jackknife(mean, [clips(values)])
    assert found is not None
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(20))
    assert found.freedom == pytest.approx(19)
    np.testing.assert_allclose(found.pseudo_values, values)


def test_the_jackknife_of_three_files_is_as_wide_as_the_level_asks() -> None:
    """Student's t of 2 degrees of freedom at 99.9%."""
    found = jackknife(mean, [clips(np.array([1.0, 2.0, 4.0]))])
    assert found is not None
    interval = found.interval(0.999)
    assert (interval.high - interval.low) / (2 * found.error) == pytest.approx(31.5991, rel=1e-5)


def test_the_jackknife_of_two_sets_adds_their_errors() -> None:
    random = np.random.default_rng(1)
    one, two = random.standard_normal(20), 3 * random.standard_normal(9)
    found = jackknife(lambda a, b: mean(a) - mean(b), [clips(one), clips(two, "other")])
    assert found is not None
    parts = [values.var(ddof=1) / len(values) for values in (one, two)]
    assert found.error == pytest.approx(math.sqrt(sum(parts)))
    assert found.freedom == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 19 + parts[1] ** 2 / 8))


def test_twins_have_far_narrower_intervals_than_strangers() -> None:
    random = np.random.default_rng(2)
    real = random.uniform(1, 5, 24)
    generated = 0.9 * real + 0.01 * random.standard_normal(24)

    def width(prefix: str) -> float:
        sets = [clips(generated, prefix), clips(real)]
        found = percentile_interval(lambda a, b: mean(a) / mean(b), sets, RESAMPLING)
        assert found is not None
        return found.high - found.low

    assert width("other") > 20 * width("")


def test_clips_of_one_file_count_as_one() -> None:
    values = np.random.default_rng(3).standard_normal(10)
    once = percentile_interval(mean, [clips(values)], RESAMPLING)
    repeated = Clips(values.repeat(5), tuple(f"{index}" for index in range(10) for _ in range(5)))
    of_repeated = percentile_interval(mean, [repeated], RESAMPLING)
    assert once is not None
    assert of_repeated is not None
    assert (of_repeated.low, of_repeated.high) == pytest.approx((once.low, once.high), rel=1e-12)


def test_two_files_and_one_draw_have_no_interval() -> None:
    values = np.arange(6.0)
    two_files = Clips(values, ("a", "a", "a", "b", "b", "b"))
    assert percentile_interval(mean, [two_files], RESAMPLING) is None
    assert jackknife(mean, [two_files]) is None
    assert percentile_interval(mean, [clips(values)], Resampling(1)) is None


def test_a_ratio_of_sums_weighs_its_clips() -> None:
    random = np.random.default_rng(5)
    weights = random.uniform(1, 9, 20)
    values = 2 * weights
    interval = ratio_interval(values, weights, RESAMPLING)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((2, 2))
    values = values + random.standard_normal(20)
    interval = ratio_interval(values, weights, RESAMPLING)
    assert interval is not None
    assert interval.low < values.sum() / weights.sum() < interval.high
    assert ratio_interval(values, weights, RESAMPLING) == interval
    assert ratio_interval(values, weights, Resampling(400, 0.95, 1)) != interval
