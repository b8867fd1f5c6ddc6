from dataclasses import replace

import numpy as np
import pytest
from exvideo_eval.contrast import contrasts, uncontrasted
from exvideo_eval.measure import JACKKNIFE, WILSON, Measure, mean
from exvideo_eval.result_parts import Metric
from exvideo_eval.set_distances import frechet
from exvideo_eval.statistics import Clips, Resampling, Sample, value_of

RESAMPLING = Resampling(499, 0.95, 0)


def ratio(sample: Sample, real: Sample) -> np.ndarray:
    return mean(sample) / mean(real)


def measure(
    values: np.ndarray, names: list[str], real: np.ndarray | None = None, interval: str = "percentiles"
) -> Measure:
    return Measure(
        quantity="motion",
        statistic="mean" if real is None else "ratio to real",
        unit="u",
        better="lower",
        of=mean if real is None else ratio,
        clips=Clips(values, tuple(names)),
        clips_of_real=None if real is None else Clips(real, tuple(f"c{index}" for index in range(len(real)))),
        interval=interval,
    )


NAMES = [f"c{index}" for index in range(24)]


def found(ours: Measure, theirs: Measure) -> dict[str, Metric]:
    return {metric.contrast: metric for metric, _ in contrasts(ours, theirs, "baseline", RESAMPLING)}


def test_a_small_difference_of_pairs_is_found_whatever_their_order() -> None:
    random = np.random.default_rng(0)
    base = random.uniform(1, 9, 24)
    own = 0.95 * base + 0.02 * random.standard_normal(24)
    order = random.permutation(24)
    one = found(measure(own, NAMES), measure(base, NAMES))
    assert found(measure(own, NAMES), measure(base[order], [NAMES[index] for index in order])) == one
    difference, quotient = one["difference to baseline"], one["ratio to baseline"]
    assert difference.value == pytest.approx(own.mean() - base.mean())
    assert quotient.value == pytest.approx(own.mean() / base.mean())
    assert difference.interval is not None
    assert difference.interval.high < 0
    assert difference.significance is not None
    assert difference.significance.p_value == pytest.approx(1 / 500)
    assert quotient.interval is not None
    assert 0.9 < quotient.interval.low < quotient.value < quotient.interval.high < 1
    assert (difference.quantity, difference.statistic) == ("motion", "mean")


def test_only_clips_that_both_have_count() -> None:
    base, own = np.arange(24.0), np.arange(24.0) + 1
    own[20:] = 1e6
    metric = found(measure(own, [*NAMES[:20], "w", "x", "y", "z"]), measure(base, NAMES))["difference to baseline"]
    assert (metric.value, metric.n) == (1, 20)


def test_sets_of_other_names_are_strangers() -> None:
    random = np.random.default_rng(1)
    base, own = random.uniform(1, 9, 24), random.uniform(1, 9, 24)
    metric = found(measure(own, [f"d{index}" for index in range(24)]), measure(base, NAMES))["difference to baseline"]
    assert metric.significance is not None
    assert metric.significance.method.startswith("shuffled labels")
    assert metric.significance.p_value > 0.01


def test_real_clips_are_drawn_with_their_twins() -> None:
    random = np.random.default_rng(2)
    real = random.uniform(1, 9, 24)
    own, base = (factor * real + 0.05 * random.standard_normal(24) for factor in (1.0, 0.9))
    metric = found(measure(own, NAMES, real), measure(base, NAMES, real))["difference to baseline"]
    assert metric.value == pytest.approx(0.1, abs=0.02)
    assert metric.interval is not None
    assert metric.interval.high - metric.interval.low < 0.03


def test_shares_have_mcnemars_test() -> None:
    own, base = np.ones(24), np.ones(24)
    base[:7] = 0
    ours, theirs = (measure(values, NAMES, interval=WILSON) for values in (own, base))
    metric = found(ours, theirs)["difference to baseline"]
    assert metric.significance is not None
    assert metric.significance.method == "McNemar, exact"
    assert metric.significance.p_value == pytest.approx(2 / 128)
    assert metric.interval is not None
    assert 0 < metric.interval.low < 7 / 24 < metric.interval.high


def test_there_is_no_ratio_to_nothing() -> None:
    assert set(found(measure(np.ones(24), NAMES), measure(np.zeros(24), NAMES))) == {"difference to baseline"}


REAL = Clips(np.random.default_rng(9).standard_normal((24, 1, 6)), tuple(f"r{index}" for index in range(24)))


def distance(seed: int, names: list[str], offset: float = 0.0) -> Measure:
    """A Fréchet distance in 6 dimensions, which 12 clips fill."""
    values = np.random.default_rng(seed).standard_normal((len(names), 1, 6)) + offset
    ours = measure(values, names, interval=JACKKNIFE)
    return replace(ours, statistic="value", of=frechet, clips_of_real=REAL, fewest=12)


def test_a_distance_of_few_common_clips_is_of_all_as_its_columns_are() -> None:
    ours, theirs = distance(0, NAMES, 0.5), distance(1, [*NAMES[:11], *(f"d{index}" for index in range(13))])
    metric = found(ours, theirs)["difference to baseline"]
    columns = [value_of(item.of, item.sets) for item in (ours, theirs)]
    assert metric.value == pytest.approx(columns[0] - columns[1])
    assert metric.n == 24
    assert metric.interval is not None
    assert metric.interval.low < metric.value < metric.interval.high
    assert metric.significance is not None
    assert metric.significance.method.startswith("shuffled labels")
    assert uncontrasted([ours], [theirs], "baseline") == []


def test_a_distance_of_enough_common_clips_is_of_pairs() -> None:
    ours, theirs = distance(0, NAMES, 0.5), distance(1, [*NAMES[:12], *(f"d{index}" for index in range(30))])
    metric = found(ours, theirs)["difference to baseline"]
    assert metric.n == 12
    assert metric.significance is not None
    assert metric.significance.method.startswith("swap test within pairs")


def test_distances_of_other_numbers_of_clips_are_not_set_against_each_other() -> None:
    """A Fréchet distance grows as clips get fewer, so that their difference would be that of the numbers."""
    ours, theirs = distance(0, NAMES), distance(1, [f"d{index}" for index in range(14)])
    assert contrasts(ours, theirs, "baseline", RESAMPLING) == []
    assert uncontrasted([ours], [theirs], "baseline") == [
        "Not set against the baseline's: motion. Each changes with the number of clips, and there are 24 and 14, of "
        "which 0 are of one name: give as many of both sets, or 12 or more of one name."
    ]
    means = measure(np.arange(24.0), NAMES), measure(np.arange(14.0), [f"d{index}" for index in range(14)])
    assert found(*means)["difference to baseline"].value == 5


@pytest.mark.parametrize(("own", "base"), [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)])
def test_shares_of_strangers_have_an_interval_with_a_width_and_no_ratio_without_one(own: float, base: float) -> None:
    others = [f"d{index}" for index in range(24)]
    ours = measure(np.full(24, own), NAMES, interval=WILSON)
    metrics = found(ours, measure(np.full(24, base), others, interval=WILSON))
    interval = metrics["difference to baseline"].interval
    assert interval is not None
    assert interval.high - interval.low > 0.15
    assert interval.low <= own - base <= interval.high
    assert set(metrics) == {"difference to baseline"}
