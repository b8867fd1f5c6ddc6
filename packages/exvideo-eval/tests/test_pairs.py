import numpy as np
import pytest
from exvideo_eval.pairs import Units, source_of


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{index}" for index in range(count)]


def drawn(units: Units, resamples: int, seed: int) -> list[np.ndarray]:
    """Of each set (resamples, clips)."""
    return [np.concatenate(parts) for parts in zip(*units.draws(resamples, seed), strict=True)]


def test_files_are_paired_by_their_path_without_its_ending() -> None:
    assert source_of("c1.gif") == source_of("c1.mp4") == "c1"
    assert source_of("street/c1.mp4") == "street/c1"
    assert source_of("c1.take2.mp4") == "c1.take2"


def test_twins_are_drawn_together_and_strangers_apart() -> None:
    twins = Units.of(names("a", 9), names("a", 9)[::-1])
    first, second = drawn(twins, 50, seed=0)
    np.testing.assert_array_equal(first, second[:, ::-1])
    strangers = Units.of(names("a", 9), names("b", 9))
    first, second = drawn(strangers, 50, seed=0)
    assert (first != second).any()
    for weights in (first, second):
        np.testing.assert_array_equal(weights.sum(axis=1), 9)


def test_clips_of_one_file_are_drawn_together() -> None:
    units = Units.of(["a", "a", "b", "c", "c", "c"])
    (weights,) = drawn(units, 30, seed=1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert units.fewest == 3


def test_a_file_is_left_out_of_every_set_that_has_it() -> None:
    units = Units.of([*names("a", 4), *names("b", 3)], names("a", 4))
    shared, alone = units.without_each()
    for stratum, weights in (shared, alone):
        for row, unit in enumerate(range(stratum.start, stratum.stop)):
            for side, of_clips in zip(weights, units.of_clips, strict=True):
                left_out = (of_clips == unit).any()
                assert (len(side) > 1) >= left_out
                np.testing.assert_array_equal(side[row if len(side) > 1 else 0], of_clips != unit)


def test_a_few_files_without_a_twin_join_those_that_have_one() -> None:
    units = Units.of([*names("a", 5), "x"], [*names("a", 5), "y"])
    assert [stratum.stop - stratum.start for stratum in units.strata] == [7]
    assert set(units.names) == {*names("a", 5), "x", "y"}


def test_no_more_weights_are_at_hand_than_fit_and_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    units = Units.of(names("a", 9), [*names("a", 9), *names("b", 4)])
    whole, without = drawn(units, 50, seed=2), list(units.without_each())
    monkeypatch.setattr("exvideo_eval.pairs.WEIGHTS_AT_HAND", 13 * 4)
    parts = list(units.draws(50, seed=2))
    assert [len(first) for first, _ in parts] == [4] * 12 + [2]
    for one, other in zip(whole, drawn(units, 50, seed=2), strict=True):
        np.testing.assert_array_equal(one, other)
    left_out = np.concatenate([second for stratum, (_, second) in units.without_each() if stratum.start < 9])
    np.testing.assert_array_equal(left_out, without[0][1][1])
