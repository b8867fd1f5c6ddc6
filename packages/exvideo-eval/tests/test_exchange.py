import numpy as np
import pytest
from exvideo_eval.exchange import exchange_test
from exvideo_eval.kernel_table import KernelTable
from exvideo_eval.measure import difference_of_means
from exvideo_eval.set_distances import frechet
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic

RESAMPLING = Resampling(199, 0.95, 0)


def sets(random: np.random.Generator, twins: bool, apart: float = 0.0, count: int = 24) -> tuple[Clips, Clips]:
    """Two sets of (count, 2 windows, 3), alike but for `apart`; twins share most of what they are."""
    common = random.standard_normal((count, 1, 3))
    one, two = (
        (common if twins else random.standard_normal((count, 1, 3))) + 0.5 * random.standard_normal((count, 2, 3))
        for _ in range(2)
    )
    sources = [tuple(f"{prefix}{index}" for index in range(count)) for prefix in ("", "" if twins else "other")]
    return Clips(one + apart, sources[1]), Clips(two, sources[0])


def by_kernels(one: Clips, two: Clips) -> tuple[Statistic, Clips, Clips]:
    table = KernelTable({"one": one.values, "two": two.values})
    return table.distance, Clips(table.places("one"), one.sources), Clips(table.places("two"), two.sources)


STATISTICS = {
    "mean": lambda one, two: (difference_of_means, one, two),
    "Fréchet": lambda one, two: (frechet, one, two),
    "kernel": by_kernels,
}


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("twins", [True, False])
def test_sets_that_are_alike_seldom_seem_to_differ(statistic: str, twins: bool) -> None:
    random = np.random.default_rng(0)
    found = [exchange_test(*STATISTICS[statistic](*sets(random, twins)), RESAMPLING) for _ in range(200)]
    alarms = np.mean([exchange.significance.p_value <= 0.05 for exchange in found if exchange])
    assert len(found) == 200
    assert alarms <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_twins_show_a_difference_that_strangers_hide() -> None:
    random = np.random.default_rng(1)
    power = {}
    for twins in (True, False):
        tested = [exchange_test(difference_of_means, *sets(random, twins, 0.2), RESAMPLING) for _ in range(40)]
        found = [exchange.significance for exchange in tested if exchange]
        power[found[0].method] = np.mean([significance.p_value <= 0.05 for significance in found])
    assert power["swap test within pairs, 199 draws"] > 0.85
    assert power["shuffled labels, 199 draws"] < 0.5


def test_pairs_are_matched_by_name_and_not_by_place() -> None:
    one, two = sets(np.random.default_rng(2), twins=True, apart=0.2)
    order = np.random.default_rng(3).permutation(24)
    shuffled = Clips(two.values[order], tuple(two.sources[index] for index in order))
    assert exchange_test(frechet, one, two, RESAMPLING) == exchange_test(frechet, one, shuffled, RESAMPLING)


def test_clips_of_one_file_do_not_make_a_difference_surer() -> None:
    one, two = sets(np.random.default_rng(4), twins=False, apart=0.3)
    many = Clips(two.values.repeat(4, axis=0), tuple(name for name in two.sources for _ in range(4)))
    found, of_many = (exchange_test(difference_of_means, one, other, RESAMPLING) for other in (two, many))
    assert found == of_many


def test_a_set_that_stays_as_it_is_takes_part() -> None:
    random = np.random.default_rng(5)
    one, two = sets(random, twins=True, apart=1.0)
    real = Clips(two.values + 0.5, two.sources)

    def nearer(first: Sample, second: Sample, fixed: Sample) -> np.ndarray:
        return np.abs(frechet(first, fixed) - frechet(second, fixed))

    found = exchange_test(nearer, one, two, RESAMPLING, fixed=[real])
    assert found is not None
    assert found.significance.p_value > 0.05  # one is as far above the real clips as the other is below


def test_the_mean_of_exchanged_sets_is_what_equal_sets_show() -> None:
    random = np.random.default_rng(6)
    alike = np.mean([frechet_of(sets(random, twins=False)) for _ in range(200)])
    nulls = [exchange_test(frechet, *sets(random, twins=False), RESAMPLING) for _ in range(20)]
    assert np.mean([found.null_mean for found in nulls if found]) == pytest.approx(alike, rel=0.15)


def frechet_of(pair: tuple[Clips, Clips]) -> float:
    samples = [Sample(clips.values, np.ones((1, len(clips.values))), np.arange(len(clips.values))) for clips in pair]
    return float(frechet(*samples)[0])


@pytest.mark.parametrize(("count", "resamples"), [(2, 199), (24, 1)])
def test_too_few_clips_or_draws_have_no_test(count: int, resamples: int) -> None:
    pair = sets(np.random.default_rng(7), twins=True, count=count)
    assert exchange_test(frechet, *pair, Resampling(resamples)) is None


@pytest.mark.parametrize("twins", [True, False])
def test_draws_in_parts_are_the_same_draws(monkeypatch: pytest.MonkeyPatch, twins: bool) -> None:
    pair = sets(np.random.default_rng(8), twins, apart=0.1)
    whole = exchange_test(difference_of_means, *pair, RESAMPLING)
    monkeypatch.setattr("exvideo_eval.pairs.WEIGHTS_AT_HAND", 48 * 7)
    parts = exchange_test(difference_of_means, *pair, RESAMPLING)
    assert whole is not None
    assert parts is not None
    assert parts.significance == whole.significance
    assert parts.null_mean == pytest.approx(whole.null_mean, rel=1e-12)


def test_sets_with_fewer_pairs_than_are_asked_for_are_shuffled_whole() -> None:
    one, two = sets(np.random.default_rng(8), twins=True)
    half = Clips(two.values, (*two.sources[:13], *(f"other{index}" for index in range(11))))
    counts = {}
    for fewest in (13, 14):
        found = exchange_test(frechet, one, half, RESAMPLING, fewest=fewest)
        assert found is not None
        counts[found.significance.method.partition(",")[0]] = found.num_clips
    assert counts == {"swap test within pairs": 13, "shuffled labels": 24}
