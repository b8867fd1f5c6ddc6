import numpy as np
import pytest
from exvideo_eval.shares import difference_interval, mcnemar, paired_interval, share_interval, wilson_interval
from exvideo_eval.statistics import Clips


@pytest.mark.parametrize(("share", "bounds"), [(0.5, (0.2366, 0.7634)), (1.0, (0.7225, 1.0)), (0.0, (0.0, 0.2775))])
def test_wilsons_interval_of_ten_clips(share: float, bounds: tuple[float, float]) -> None:
    interval = wilson_interval(share, 10, 0.95)
    assert (interval.low, interval.high) == pytest.approx(bounds, abs=1e-4)


def pairs(both: int, gained: int, lost: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    kinds = [(1.0, 1.0)] * both + [(1.0, 0.0)] * gained + [(0.0, 1.0)] * lost + [(0.0, 0.0)] * neither
    first, second = np.array(kinds).T
    return first, second


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(6, 0, 2 / 64), (0, 6, 2 / 64), (9, 1, 2 * 11 / 1024), (3, 3, 1.0), (0, 0, 1.0), (1, 0, 1.0)],
)
def test_mcnemar_tosses_a_coin_for_each_pair_that_disagrees(gained: int, lost: int, p_value: float) -> None:
    assert mcnemar(*pairs(7, gained, lost, 4)).p_value == pytest.approx(p_value)


def test_pairs_that_all_agree_still_leave_doubt() -> None:
    interval = paired_interval(*pairs(20, 0, 0, 4), level=0.95)
    assert interval.low < -0.02 < 0.02 < interval.high


@pytest.mark.parametrize("shares", [(0.9, 0.05, 0.02, 0.03), (0.4, 0.3, 0.1, 0.2)])
@pytest.mark.parametrize("count", [24, 98])
def test_the_difference_of_paired_shares_is_covered(shares: tuple[float, ...], count: int) -> None:
    random = np.random.default_rng(0)
    truth, held = shares[1] - shares[2], []
    for drawn in random.multinomial(count, shares, size=1000):
        interval = paired_interval(*pairs(*drawn), level=0.95)
        held.append(interval.low <= truth <= interval.high)
    assert np.mean(held) > 0.92


@pytest.mark.parametrize(
    ("counts", "bounds"),
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)), ((0, 10, 0, 20), (-0.1611, 0.2775))],
)
def test_newcombes_intervals_are_those_of_his_table(counts: tuple[int, ...], bounds: tuple[float, float]) -> None:
    """Newcombe, Statistics in Medicine 17, 1998, page 873, table II, method 10."""
    first, second = (
        Clips(np.arange(total) < right, tuple(f"{side}{index}" for index in range(total)))
        for side, right, total in (("a", *counts[:2]), ("b", *counts[2:]))
    )
    interval = difference_interval(first, second, 0.95)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(bounds, abs=6e-5)


def test_a_difference_of_twins_is_that_of_pairs() -> None:
    names = tuple(map(str, range(10)))
    first, second = Clips(np.ones(10), names), Clips(np.arange(10) > 2, names)
    paired = paired_interval(first.values, second.values.astype(float), 0.95)
    assert difference_interval(first, second, 0.95) == paired
    order = np.random.default_rng(0).permutation(10)
    turned = Clips(second.values[order], tuple(names[index] for index in order))
    assert difference_interval(first, turned, 0.95) == paired


def test_clips_of_one_file_are_one_of_a_share() -> None:
    files = tuple(str(index // 3) for index in range(12))
    share = share_interval(Clips(np.arange(12.0) < 6, files), 0.95)
    assert share == wilson_interval(0.5, 4, 0.95)
    two_files = Clips(np.ones(6), ("a",) * 3 + ("b",) * 3)
    assert share_interval(two_files, 0.95) is None
    assert difference_interval(two_files, Clips(np.ones(6), tuple("cdefgh")), 0.95) is None
