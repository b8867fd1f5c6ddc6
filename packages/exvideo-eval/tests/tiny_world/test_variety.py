import numpy as np
import pytest
from exvideo_eval.statistics import Clips, Resampling, value_of
from exvideo_eval.tiny_world.variety import at_equal_number, kinds_told_apart, variety_measure


def clips(probabilities: np.ndarray, first: int = 0) -> Clips:
    return Clips(probabilities, tuple(map(str, range(first, first + len(probabilities)))))


def test_certain_answers_spread_evenly_count_the_classes() -> None:
    assert value_of(kinds_told_apart, [clips(np.tile(np.eye(5), (4, 1)))]) == pytest.approx(5)


@pytest.mark.parametrize("answer", [[1.0, 0, 0], [0.2, 0.3, 0.5]])
def test_clips_that_all_look_alike_are_of_one_kind(answer: list[float]) -> None:
    assert value_of(kinds_told_apart, [clips(np.tile(answer, (9, 1)))]) == pytest.approx(1)


def test_it_is_the_exponential_of_the_mean_divergence_from_the_marginal() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    divergence = (probabilities * np.log(probabilities / probabilities.mean(axis=0))).sum(axis=1)
    assert value_of(kinds_told_apart, [clips(probabilities)]) == pytest.approx(np.exp(divergence.mean()))


def test_the_number_tells_its_property_its_most_and_its_interval() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(5), size=30)
    metric, _, _ = variety_measure("shape", clips(probabilities)).metric(Resampling(50, 0.95, 0))
    assert (metric.name, metric.unit, metric.n) == ("kinds of shape told apart, tiny-world judges", "kinds of 5", 30)
    assert metric.interval is not None
    assert 1 <= metric.interval.low < metric.value < metric.interval.high


def test_sets_are_compared_at_equal_number_with_twins_first() -> None:
    few, many = clips(np.eye(3), first=5), clips(np.eye(9))
    one, other = at_equal_number(few, many)
    np.testing.assert_array_equal(one.values, few.values)
    assert other.sources == ("5", "6", "7")
    np.testing.assert_array_equal(other.values, np.eye(9)[5:8])
    assert at_equal_number(many, few)[0].sources == ("5", "6", "7")
