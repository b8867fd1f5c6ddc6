import numpy as np
import pytest
from exvideo_eval.metrics.inception_score import inception_score


def test_certain_and_varied_samples_score_the_number_of_classes() -> None:
    assert inception_score(np.eye(4).repeat(3, axis=0), splits=1) == pytest.approx((4.0, 0.0))


def test_samples_that_look_alike_score_one() -> None:
    alike = np.tile([0.7, 0.2, 0.1], (10, 1))
    assert inception_score(alike, splits=2) == pytest.approx((1.0, 0.0))


def test_splits_are_scored_apart_and_their_spread_is_told() -> None:
    varied, alike = np.eye(2).repeat(2, axis=0), np.tile([1.0, 0.0], (4, 1))
    assert inception_score(np.concatenate([varied, alike]), splits=2) == pytest.approx((1.5, 0.5))


@pytest.mark.parametrize(
    ("probabilities", "splits", "sentence"),
    [
        (np.eye(3), 4, "3 samples cannot be split 4 times"),
        (2 * np.eye(3), 1, "miss a sum of 1 by 1"),
        (np.array([[1.5, -0.5]]), 1, "give the softmax of a classifier"),
    ],
)
def test_what_is_no_set_of_probabilities_is_refused(probabilities: np.ndarray, splits: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        inception_score(probabilities, splits)
