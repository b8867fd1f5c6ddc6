"""Kernels that lie in a file, tile by tile, and the unbiased distances by them."""

import numpy as np
import pytest
from exvideo_eval.kernel_table import KernelTable, inner_product
from exvideo_eval.metrics.kernel_distance import polynomial_mmd
from exvideo_eval.statistics import Sample

Array = np.ndarray


def sets(shift: float = 0.5) -> dict[str, Array]:
    random = np.random.default_rng(0)
    return {"first": shift + random.standard_normal((12, 3, 4)), "second": random.standard_normal((9, 3, 4))}


def samples(table: KernelTable, twins: bool = False, weights: Array | None = None) -> tuple[Sample, Sample]:
    first, second = (table.places(role) for role in ("first", "second"))
    weights = np.ones((1, len(first))) if weights is None else weights
    units = np.arange(len(first)), np.arange(len(second)) + (0 if twins else len(first))
    return Sample(first, weights, units[0]), Sample(second, np.ones((1, len(second))), units[1])


def distance(table: KernelTable, twins: bool = False) -> float:
    return float(table.distance(*samples(table, twins))[0])


def test_the_distance_of_strangers_is_the_pure_unbiased_one() -> None:
    first, second = sets().values()
    expected = np.mean([polynomial_mmd(first[:, window], second[:, window]) for window in range(3)])
    assert distance(KernelTable(sets())) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("twins", [True, False])
def test_tiles_of_any_size_and_both_directions_give_the_same(monkeypatch: pytest.MonkeyPatch, twins: bool) -> None:
    whole = distance(KernelTable(sets()), twins)
    for clips in (1, 5, 9):
        monkeypatch.setattr("exvideo_eval.kernel_table._BLOCK_CLIPS", clips)
        table = KernelTable(sets())
        pair = samples(table, twins)
        assert table.distance(*pair)[0] == pytest.approx(whole, rel=1e-12)
        assert table.distance(*pair[::-1])[0] == pytest.approx(whole, rel=1e-12)


def test_each_kernel_is_computed_once_from_at_most_two_blocks_of_features(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[int, int]] = []

    def noting(x: Array, y: Array) -> Array:
        computed.append((len(x), len(y)))
        assert len(table._read) <= 2
        return inner_product(x, y)

    monkeypatch.setattr("exvideo_eval.kernel_table._BLOCK_CLIPS", 4)
    table = KernelTable(sets(), noting)
    first = distance(table)
    assert len(computed) == 3 * 6 * 7 // 2  # windows, and pairs of 3 and 3 blocks
    assert distance(table) == first
    assert len(computed) == 63


def test_clips_in_any_order_are_found_by_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exvideo_eval.kernel_table._BLOCK_CLIPS", 4)
    table = KernelTable(sets())
    first, second = samples(table)
    order = np.random.default_rng(1).permutation(12)
    turned = Sample(first.values[order], first.weights, first.units[order])
    assert table.distance(turned, second)[0] == pytest.approx(table.distance(first, second)[0], rel=1e-12)


def test_weights_are_repeats_and_what_weighs_nothing_is_not_there() -> None:
    weights = np.array([[0.0] + [1.0] * 11, [1.0] * 12])
    table = KernelTable(sets())
    found = table.distance(*samples(table, weights=weights))
    without = {**sets(), "first": sets()["first"][1:]}
    assert found == pytest.approx([distance(KernelTable(without)), distance(table)], rel=1e-9)


def test_the_distance_of_twins_that_are_alike_is_about_nothing_and_at_times_below() -> None:
    random = np.random.default_rng(2)
    found = []
    for _ in range(300):
        common = random.standard_normal((10, 1, 3))
        pair = {role: common + 0.3 * random.standard_normal((10, 1, 3)) for role in ("first", "second")}
        found.append(distance(KernelTable(pair), twins=True))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)
    assert min(found) < 0


def test_by_inner_products_it_is_the_squared_shift_of_the_means_without_bias() -> None:
    random = np.random.default_rng(3)
    first, second = random.standard_normal((50, 2, 4)), random.standard_normal((50, 2, 4)) + np.array([3, 0, 0, 0])
    assert distance(KernelTable({"first": first, "second": second}, inner_product)) == pytest.approx(9, rel=0.2)
    moved = {"first": first, "second": first + np.array([0, 0, 100, 0])}
    assert distance(KernelTable(moved, inner_product), twins=True) == pytest.approx(100**2, rel=0.05)


def test_a_part_of_the_features_is_all_that_counts() -> None:
    whole = KernelTable({role: features[..., :2] for role, features in sets().items()})
    assert distance(KernelTable(sets(), part=lambda clip: clip[:, :2])) == distance(whole)
