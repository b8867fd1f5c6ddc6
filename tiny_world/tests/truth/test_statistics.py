"""Intervals of tables of seeds and clips."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from tiny_world.truth.statistics import holm, mean_interval, p_value, ratio_interval

TRUE = 5.0


def table(random: np.random.Generator, of_seed: float, of_clip: float, seeds: int = 3) -> NDArray[np.float64]:
    effects = of_seed * random.normal(size=(seeds, 1)) + of_clip * random.normal(size=(1, 35))
    values: NDArray[np.float64] = TRUE + effects + random.normal(size=(seeds, 35))
    return values


@pytest.mark.parametrize(("of_seed", "of_clip"), [(0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (2.0, 0.5)])
def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says(of_seed: float, of_clip: float) -> None:
    random = np.random.default_rng(0)
    intervals = [mean_interval(table(random, of_seed, of_clip)) for _ in range(1000)]
    held = np.mean([one.low <= TRUE <= one.high for one in intervals])
    assert 0.91 <= held <= 0.99


def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = []
    for _ in range(1000):
        others = table(random, 0.3, 1.0)
        values = 0.4 * others + 0.5 * random.normal(size=others.shape) + 0.2 * random.normal(size=(3, 1))
        interval = ratio_interval(values, others)
        held.append(interval.low <= 0.4 <= interval.high)
    assert 0.91 <= np.mean(held) <= 0.99


def test_where_seeds_alone_differ_it_is_student_s_t_of_their_means() -> None:
    of_seeds = np.array([1.0, 2.0, 4.0])
    expected = ttest_1samp(of_seeds, 0).confidence_interval(0.95)
    found = mean_interval(np.repeat(of_seeds[:, None], 35, axis=1))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_table_of_one_value_has_an_interval_of_no_width() -> None:
    found = mean_interval(np.full((3, 7), 2.5))
    assert found.low == found.high == 2.5


@pytest.mark.parametrize("values", [np.ones((1, 7)), np.ones(7), np.array([[1.0, np.nan], [1.0, 1.0]])])
def test_what_says_nothing_is_refused(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="at least 2 seeds and 2 clips"):
        mean_interval(values)


def test_a_p_value_is_the_level_at_which_the_interval_ends_at_zero() -> None:
    values = table(np.random.default_rng(2), 0.3, 1.0) - TRUE + 0.4
    p = p_value(values)
    assert mean_interval(values, level=1 - p).low == pytest.approx(0, abs=1e-9)
    assert p_value(-values) == pytest.approx(p)
    assert p_value(np.full((3, 7), 2.5)) == 0
    assert p_value(np.zeros((3, 7))) == 1


def test_p_values_of_tables_without_a_difference_are_spread_evenly() -> None:
    random = np.random.default_rng(3)
    p = [p_value(table(random, 0.5, 1.0) - TRUE) for _ in range(1000)]
    assert np.mean(np.array(p) < 0.05) <= 0.08


@pytest.mark.parametrize("of_seed", [0.0, 0.1, 0.3])
def test_of_five_seeds_chance_is_found_about_as_often_as_the_least_levels_of_holm_say(of_seed: float) -> None:
    """Of a headline's table: 5 seeds of 196 clips, at 0.05 / 4 and at a fifth of that."""
    random = np.random.default_rng(4)
    tables = of_seed * random.normal(size=(1500, 5, 1)) + random.normal(size=(1500, 1, 196))
    p = np.array([p_value(one) for one in tables + random.normal(size=(1500, 5, 196))])
    assert np.mean(p < 0.0125) <= 0.0125 * 2.2
    assert np.mean(p < 0.0025) <= 0.0025 * 4


def test_holm_corrects_the_least_by_all_and_the_next_by_those_that_are_left() -> None:
    found = holm({"a": 0.04, "b": 0.01, "c": 0.03})
    assert found == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
