import numpy as np
import pytest
from exvideo_eval.metrics.monge_inception_distance import monge_inception_distance


def test_equal_sets_in_any_order_are_at_no_distance() -> None:
    x = np.random.default_rng(0).standard_normal((30, 5))
    assert monge_inception_distance(x, x[::-1]) == pytest.approx(0, abs=1e-20)  # projections round by their place


def test_a_shift_counts_three_times_its_square() -> None:
    """The mean of (u.s)^2 over the sphere is |s|^2 / d."""
    x = np.random.default_rng(0).standard_normal((200, 4))
    shift = np.array([3.0, 0.0, 4.0, 0.0])
    assert monge_inception_distance(x, x + shift, projections=20000) == pytest.approx(3 * 25, rel=0.02)


def test_one_dimension_is_the_sorted_distance_whatever_the_directions() -> None:
    x, y = np.array([[0.0], [2.0], [1.0]]), np.array([[5.0], [1.0], [2.0]])
    assert monge_inception_distance(x, y, seed=3) == pytest.approx(3 * (1 + 1 + 9) / 3)


def test_sets_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(4, 2\) cannot be matched"):
        monge_inception_distance(np.zeros((3, 2)), np.zeros((4, 2)))
