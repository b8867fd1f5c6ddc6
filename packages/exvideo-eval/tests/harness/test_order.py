"""Nobody always goes first, and nobody always follows the same one."""

from collections import Counter
from itertools import pairwise

import pytest
from exvideo_eval.harness.order import rotated


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_takes_every_place_and_neighbour_equally_often(count: int) -> None:
    names = "abcd"[:count]
    rounds = [rotated(names, turn) for turn in range(2 * count)]
    assert all(sorted(order) == list(names) for order in rounds)
    for place in range(count):
        assert set(Counter(order[place] for order in rounds).values()) == {2}
    follows = Counter(pair for order in rounds for pair in pairwise(order))
    assert all(follows[one, other] == follows[other, one] for one, other in follows)
