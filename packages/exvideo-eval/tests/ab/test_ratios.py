"""The interval of a median holds it as often as it says, whatever the shape of what is drawn."""

import random

import pytest
from exvideo_eval.ab.ratios import median_interval, ratio_of


@pytest.mark.parametrize("rounds", [6, 9, 12])
@pytest.mark.parametrize("shape", [random.Random.gauss, random.Random.paretovariate])
def test_coverage_is_at_least_its_level(rounds: int, shape: object) -> None:
    generator, trials, held = random.Random(0), 4000, 0
    skewed = shape is random.Random.paretovariate
    truth = 2.0 ** (1 / 1.5) if skewed else 0.0
    for _ in range(trials):
        values = [generator.paretovariate(1.5) if skewed else generator.gauss(0, 1) for _ in range(rounds)]
        interval = median_interval(values)
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.945 <= held / trials <= 0.985


@pytest.mark.parametrize(("rounds", "places"), [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (12, (3, 10))])
def test_the_places_are_those_of_the_sign_test(rounds: int, places: tuple[int, int] | None) -> None:
    assert median_interval([float(value) for value in range(1, rounds + 1)]) == places


def test_what_slows_a_turn_moves_no_ratio() -> None:
    load = [[1.0, 5.0, 2.0], [9.0, 1.0, 3.0], [1.0, 1.0, 7.0]] * 2
    ratio = ratio_of([[2 * seconds for seconds in turns] for turns in load], load)
    assert (ratio.median, ratio.interval) == (2.0, (2.0, 2.0))


def test_a_disturbed_turn_moves_no_round_and_a_disturbed_round_no_ratio() -> None:
    calm = [1.0, 1.0, 1.0]
    ratio = ratio_of([[1.2, 9.0, 1.2], [1.1, 1.1, 0.1], [5.0, 5.0, 5.0]], [calm] * 3)
    assert ratio.median == 1.2
