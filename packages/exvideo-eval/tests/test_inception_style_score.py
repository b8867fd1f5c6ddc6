import numpy as np
import pytest
from exvideo_eval.bootstrap import Resampling
from exvideo_eval.inception_style_score import inception_style_metric, inception_style_score, mutual_information


def test_certain_answers_spread_evenly_count_the_classes_and_properties_multiply() -> None:
    assert inception_style_score(np.tile(np.eye(5), (4, 1))) == pytest.approx(5)
    pairs = {"shape": np.repeat(np.eye(5), 3, axis=0), "colour": np.tile(np.eye(3), (5, 1))}
    assert inception_style_metric(pairs, Resampling(0, 0.95, 0)).value == pytest.approx(15)


@pytest.mark.parametrize("answer", [[1.0, 0, 0], [0.2, 0.3, 0.5]])
def test_clips_that_all_look_alike_score_one(answer: list[float]) -> None:
    assert inception_style_score(np.tile(answer, (9, 1))) == pytest.approx(1)


def test_information_is_the_mean_divergence_from_the_marginal() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    divergence = (probabilities * np.log(probabilities / probabilities.mean(axis=0))).sum(axis=1)
    assert mutual_information(probabilities) == pytest.approx(divergence.mean())


def test_the_interval_is_around_the_value() -> None:
    probabilities = {"shape": np.random.default_rng(1).dirichlet(np.ones(5), size=30)}
    metric = inception_style_metric(probabilities, Resampling(50, 0.95, 0))
    assert (metric.name, metric.better, metric.n) == ("Inception-style score, tiny-world judges", "higher", 30)
    assert metric.interval is not None
    assert 1 <= metric.interval.low < metric.value < metric.interval.high
