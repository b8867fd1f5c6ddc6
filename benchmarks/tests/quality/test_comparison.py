"""The protocol's rule for a pair of methods."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.quality.comparison import LOST, NO_WORSE, TOO_FEW, UNDECIDED, WON, compare, overall
from benchmarks.quality.protocol import ALPHA, DISPLACEMENT, FRECHET, PERMANENCE, PRIMARY, SHAPE, VELOCITY
from tiny_world.truth.statistics import p_value

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def pair(ours: float, theirs: float = 1.0, spread: float = 0.02) -> Pair:
    random = np.random.default_rng(0)
    noise = spread * random.normal(size=(2, 3, 40))
    return ours + noise[0], theirs + noise[1]


def tables(**changes: Pair) -> dict[str, Pair]:
    names = {"displacement": DISPLACEMENT, "velocity": VELOCITY, "permanence": PERMANENCE, "shape": SHAPE}
    names |= {"frechet": FRECHET}
    return {name: pair(1.0) for name in PRIMARY} | {names[name]: value for name, value in changes.items()}


def test_two_wins_and_nothing_lost_is_won() -> None:
    compared = compare(tables(displacement=pair(0.5), frechet=pair(0.5)))
    assert [compared[name].verdict for name in PRIMARY] == [
        "better", "undecided", "undecided", "undecided", "better"
    ]  # fmt: skip
    assert overall(compared) == WON
    assert compared[DISPLACEMENT].difference == pytest.approx(-0.5, abs=0.01)
    assert compared[DISPLACEMENT].ratio == pytest.approx(0.5, abs=0.01)


def shifted(p: float) -> Pair:
    """Two sides whose difference has this p value."""
    ours, theirs = pair(1.0, spread=0.1)
    centred = ours - theirs - (ours - theirs).mean()
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(centred + middle) > p else (low, middle)
    return theirs + centred + low, theirs


def test_measures_are_corrected_together_each_by_as_many_as_are_left() -> None:
    names = list(PRIMARY)
    values = {names[0]: 0.002, names[1]: 0.0035, names[2]: 0.004, names[3]: 0.3, names[4]: 0.9}
    compared = compare({name: shifted(p) for name, p in values.items()})
    assert [compared[name].p for name in names] == pytest.approx(list(values.values()), rel=1e-3)
    corrected = [compared[name].corrected for name in names]
    assert corrected == pytest.approx([5 * 0.002, 4 * 0.0035, 4 * 0.0035, 2 * 0.3, 0.9], rel=1e-3)
    # The second would be decided by itself, and the third by three times its own.
    assert [compared[name].verdict == UNDECIDED for name in names] == [False, True, True, True, True]


def test_of_two_seeds_nothing_is_decided() -> None:
    two = {name: (ours[:2], theirs[:2]) for name, (ours, theirs) in tables(displacement=pair(0.5)).items()}
    compared = compare(two)
    assert compared[DISPLACEMENT].corrected < ALPHA
    assert {one.verdict for one in compared.values()} == {UNDECIDED}
    assert overall(compared) == TOO_FEW


def test_a_measure_that_no_clip_has_is_named() -> None:
    ours, theirs = pair(1.0)
    with pytest.raises(ValueError, match="of 1 clips both have a permanence, and an interval needs 2"):
        compare(tables(permanence=(np.where(np.arange(40) == 3, ours, np.nan), theirs)))


def test_what_is_better_depends_on_the_measure() -> None:
    compared = compare(tables(permanence=pair(1.5), shape=pair(1.5)))
    assert (compared[PERMANENCE].verdict, compared[SHAPE].verdict) == ("better", "better")
    compared = compare(tables(permanence=pair(0.5), shape=pair(0.5)))
    assert (compared[PERMANENCE].verdict, overall(compared)) == ("worse", LOST)


def test_two_wins_are_not_enough_where_a_third_measure_loses_more_than_its_margin() -> None:
    assert overall(compare(tables(displacement=pair(0.1), frechet=pair(0.5), shape=pair(0.9)))) == LOST
    wide = compare(tables(displacement=pair(0.1), frechet=pair(0.5), velocity=pair(1.05, spread=1.0)))
    assert wide[VELOCITY].verdict == "undecided"
    assert overall(wide) == UNDECIDED


def test_no_worse_needs_every_interval_within_its_margin() -> None:
    assert overall(compare(tables())) == NO_WORSE
    assert overall(compare(tables(displacement=pair(1.2)))) == LOST  # by 0.2 pixels, which is within the margin
    compared = compare(tables(displacement=pair(1.2)))
    assert compared[DISPLACEMENT].within_margin
    assert overall(compare(tables(displacement=pair(1.0, spread=4.0)))) == UNDECIDED


def test_the_margin_of_the_distance_is_a_share_of_the_opponent_s() -> None:
    assert compare(tables(frechet=pair(12.0, 10.0)))[FRECHET].within_margin
    assert not compare(tables(frechet=pair(13.0, 10.0)))[FRECHET].within_margin


def test_clips_that_one_side_knows_nothing_of_are_left_out() -> None:
    ours, theirs = pair(0.5)
    ours[1, 3] = theirs[0, 4] = np.nan
    assert compare(tables(displacement=(ours, theirs)))[DISPLACEMENT].clips == 38


def test_without_a_difference_a_regime_is_seldom_won() -> None:
    """A hundred pairs that differ by chance alone: false wins and losses are few, as four regimes share 0.05."""
    random = np.random.default_rng(1)
    words = []
    for _ in range(100):
        sides = {name: tuple(1 + random.normal(size=(2, 3, 40))) for name in PRIMARY}
        words.append(overall(compare(sides)))
    assert words.count(WON) == 0
    assert words.count(LOST) <= 2  # three, uncorrected
    assert ALPHA == 0.0125
