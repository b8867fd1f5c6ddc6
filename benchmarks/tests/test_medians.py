"""Metrics are computed from medians of rounds, and know what is ours."""

import numpy as np
import pytest

from benchmarks.medians import memory_metrics, timing_metrics

TIMES = {
    "ours": np.array([1.0, 3.0, 2.0, 100.0, 2.0]),
    "ours, other": np.array([4.0, 4.0, 4.0, 4.0, 4.0]),
    "peer": np.array([4.0, 5.0, 4.0, 4.0, 400.0]),
}


def test_times_and_ratios_are_medians_of_rounds_whatever_the_outliers() -> None:
    metrics = {metric.name: metric for metric in timing_metrics(TIMES, {"peer"}, unit="ms", what="case")}
    assert list(metrics) == [
        "case: ours", "case: ours, other", "case: peer", "case: ours / peer", "case: ours, other / peer"
    ]  # fmt: skip
    assert metrics["case: ours"].value == pytest.approx(2000)
    assert metrics["case: peer"].value == pytest.approx(4000)
    assert metrics["case: ours / peer"].value == pytest.approx(0.5)
    assert metrics["case: ours / peer"].unit == "x"
    assert all(metric.n == 5 for metric in metrics.values())


def test_only_ours_can_be_better_or_worse() -> None:
    metrics = timing_metrics(TIMES, {"peer"}, unit="s")
    assert {metric.name: metric.better for metric in metrics if metric.name in TIMES} == {
        "ours": "lower", "ours, other": "lower", "peer": "neutral"
    }  # fmt: skip
    (memory,) = memory_metrics({"ours": None, "peer": 3 * 2**20}, {"peer"})
    assert (memory.value, memory.unit, memory.better) == (3.0, "MiB", "neutral")


def test_a_slow_round_moves_both_times_and_not_their_ratio() -> None:
    load = np.random.default_rng(0).uniform(1, 5, 15)
    peer, ours, ratio = timing_metrics({"peer": 2 * load, "ours": load}, {"peer"}, unit="s")
    assert ratio.value == pytest.approx(0.5)
    assert ratio.interval is not None
    assert ours.interval is not None
    assert ratio.interval.low == pytest.approx(0.5)
    assert ratio.interval.high == pytest.approx(0.5)
    assert ours.interval.low < ours.value < ours.interval.high
    assert peer.better == "neutral"


def test_intervals_are_the_same_at_every_call() -> None:
    assert timing_metrics(TIMES, {"peer"}, unit="s") == timing_metrics(TIMES, {"peer"}, unit="s")


def test_a_few_rounds_give_no_interval() -> None:
    few = {name: seconds[:4] for name, seconds in TIMES.items()}
    assert all(metric.interval is None for metric in timing_metrics(few, {"peer"}, unit="s"))
    assert all(metric.interval is not None for metric in timing_metrics(TIMES, {"peer"}, unit="s"))
