"""A verdict needs an interval and a threshold; without either it stays open."""

from pathlib import Path

import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.result_parts import Interval, Metric, Significance
from exvideo_eval.tiny_world.judge_features import JudgeFeatures
from exvideo_eval.tiny_world.judges import Judges
from exvideo_eval.verdict import Change, Margin, change_between, verdict_of, verdict_of_difference


def measured(
    value: float,
    interval: tuple[float, float] | None = None,
    *,
    better: str = "lower",
    unit: str = "x",
    level: float = 0.95,
    method: str = "test",
) -> Metric:
    bounds = Interval(*interval, level, method) if interval else None
    return Metric("figure", value, unit, better, interval=bounds)


def judged_from_zero(unit: str) -> bool:
    return Margin().judges(measured(0.0, unit=unit))


def verdict(before: Metric, after: Metric, margin: Margin | None = None) -> str:
    return verdict_of(change_between(before, after), margin or Margin(), before)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param((11, (4, 18)), (29, (10, 48)), "undecided", id="wide intervals decide nothing"),
        pytest.param((1.0, (0.9995, 1.0005)), (1.0021, (1.0015, 1.0027)), "same", id="sure, and below the threshold"),
        pytest.param((1.0, (0.99, 1.01)), (1.2, (1.19, 1.21)), "worse", id="sure, and above the threshold"),
        pytest.param((1.2, (1.19, 1.21)), (1.0, (0.99, 1.01)), "better", id="the same backwards"),
        pytest.param((1.0, (0.97, 1.03)), (1.04, (1.02, 1.06)), "undecided", id="may be above the threshold"),
        pytest.param((1.0, (0.5, 1.5)), (1.0, (0.5, 1.5)), "undecided", id="nothing seen, and nothing could be"),
        pytest.param((1.0, (0.8, 1.2)), (1.5, (1.1, 1.9)), "worse", id="intervals overlap, their difference is sure"),
        pytest.param((1.0, None), (1.5, None), "undecided", id="no interval"),
        pytest.param((1.0, (0.99, 1.01)), (1.5, None), "undecided", id="no interval after"),
        pytest.param((1.0, None), (1.5, (1.49, 1.51)), "undecided", id="no interval before"),
        pytest.param((1.0, None), (1.0, None), "same", id="equal"),
        pytest.param((0.0, (0, 0.001)), (0.0, (0, 0.001)), "same", id="zero, and the absolute threshold"),
        pytest.param((0.0, (0, 0.001)), (0.1, (0.09, 0.11)), "worse", id="from zero"),
        pytest.param((0.1, (0.09, 0.11)), (0.0, (0, 0.001)), "better", id="to zero"),
        pytest.param((-1.0, (-1.01, -0.99)), (-2.0, (-2.01, -1.99)), "better", id="below zero"),
        pytest.param((-1.0, (-1.01, -0.99)), (1.0, (0.99, 1.01)), "worse", id="over zero, upwards"),
        pytest.param((1.0, (0.99, 1.01)), (-1.0, (-1.01, -0.99)), "better", id="over zero, downwards"),
    ],
)
def test_verdicts(
    before: tuple[float, tuple[float, float] | None], after: tuple[float, tuple[float, float] | None], expected: str
) -> None:
    assert verdict(measured(*before), measured(*after)) == expected
    mirrored = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert verdict(measured(*before, better="higher"), measured(*after, better="higher")) == mirrored


def test_percent_and_absolute_are_both_needed() -> None:
    before, after = measured(0.010, (0.0099, 0.0101), unit="ms"), measured(0.020, (0.0199, 0.0201), unit="ms")
    assert verdict(before, after) == "worse"
    assert verdict(before, after, Margin(absolute={"ms": 0.5})) == "same"
    assert verdict(before, after, Margin(relative=2.0)) == "same"


def test_a_share_near_zero_is_no_alarm_for_a_thousandth() -> None:
    before, after = measured(0.001, (0.0009, 0.0011), unit="share"), measured(0.002, (0.0019, 0.0021), unit="share")
    assert verdict(before, after) == "same"


@pytest.mark.parametrize(
    "unit", ["octaves", "share of the clip's range", "difference, backwards over forwards", "share, among 9 words", ""]
)
def test_a_change_from_zero_needs_the_amount_of_its_unit(unit: str) -> None:
    nothing, grain, much = (measured(value, (value, value), unit=unit) for value in (0.0, 1e-9, 0.5))
    assert verdict(nothing, grain) == verdict(grain, nothing) == "same"
    assert verdict(nothing, much) == "worse"
    assert verdict(much, nothing) == "better"


def test_a_change_from_zero_in_a_unit_without_an_amount_is_undecided() -> None:
    nothing, some = (measured(value, (value, value), unit="furlongs") for value in (0.0, 0.5))
    assert verdict(nothing, some) == "undecided"
    assert verdict(nothing, nothing) == "same"
    assert verdict(nothing, some, Margin(absolute={"furlongs": 0.1})) == "worse"
    assert verdict(nothing, some, Margin(relative=0.0)) == "worse"
    assert verdict(measured(0, unit="calls"), measured(1, unit="calls")) == "worse"


def test_an_amount_is_found_by_the_unit_or_by_its_first_word() -> None:
    margin = Margin(relative=0.0, absolute={"share": 0.1, "share of pixels": 0.2, "": 0.3})
    units = ("share", "share, crosses and bounces as one", "share of pixels", "", "shares", "s")
    assert [margin.of(measured(1.0, unit=unit)) for unit in units] == [0.1, 0.1, 0.2, 0.3, 0, 0]


def test_every_unit_of_a_protocol_that_can_get_worse_has_an_amount() -> None:
    statistics = [protocol.statistic for protocol in PROTOCOLS.values()]
    assert [one for one in statistics if one.better != "neutral" and not judged_from_zero(one.unit)] == []


def test_every_unit_of_a_report_that_can_get_worse_has_an_amount(tiny_world_folders: Path, judges: Judges) -> None:
    folders = (tiny_world_folders / name for name in ("real", "generated", "frozen"))
    settings = Settings(window=4, resamples=10, thirds=True)
    evaluation = evaluate(*folders, settings=settings, extractor=JudgeFeatures(judges))
    assert evaluation.contrast is not None
    metrics = (*evaluation.generated.metrics, *evaluation.contrast.metrics)
    deciding = {metric.unit for metric in metrics if metric.better != "neutral"}
    assert {"octaves", "share of the clip's range", "squared feature units", "ratio", "", "cosine"} <= deciding
    assert [unit for unit in deciding if not judged_from_zero(unit)] == []


@pytest.mark.parametrize("other", [{"level": 0.9}, {"method": "quantiles of runs"}])
def test_intervals_of_another_level_or_method_are_not_comparable(other: dict[str, object]) -> None:
    before, after = measured(1.0, (0.99, 1.01)), measured(1.5, (1.49, 1.51), **other)  # type: ignore[arg-type]
    change = change_between(before, after)
    assert verdict_of(change, Margin(), before) == "not comparable"
    assert str(next(iter(other.values()))) in change.reason


def test_exact_counts_need_no_interval() -> None:
    before, after = measured(500, unit="operators"), measured(501, unit="operators")
    assert verdict(before, after, Margin(relative=0.0)) == "worse"
    assert verdict(after, before, Margin(relative=0.0)) == "better"
    assert verdict(before, after) == "same"
    assert verdict(before, measured(600, unit="operators")) == "worse"


def test_what_has_no_better_gets_no_verdict() -> None:
    assert verdict(measured(1.0, better="neutral"), measured(9.0, better="neutral")) == "neutral"


def test_a_difference_has_the_interval_of_two_independent_figures() -> None:
    change = change_between(measured(10, (9, 12)), measured(20, (16, 23)))
    assert change == Change(10.0, pytest.approx((10 - (4**2 + 2**2) ** 0.5, 10 + (3**2 + 1) ** 0.5)))


@pytest.mark.parametrize("margin", [{"relative": -0.1}, {"relative": float("nan")}, {"absolute": {"ms": -1.0}}])
def test_thresholds_below_zero_are_refused(margin: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give a number of at least 0"):
        Margin(**margin)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "interval", "p_value", "better", "expected"),
    [
        pytest.param(0.3, (0.1, 0.5), 0.01, "lower", "worse", id="more of what should be low"),
        pytest.param(-0.3, (-0.5, -0.1), 0.01, "lower", "better", id="less of it"),
        pytest.param(-0.3, (-0.5, -0.1), 0.01, "higher", "worse", id="less of what should be high"),
        pytest.param(0.3, (0.1, 0.5), 0.01, "neutral", "differs", id="neither way is better"),
        pytest.param(0.3, (-0.1, 0.7), 0.01, "lower", "undecided", id="zero is in the interval"),
        pytest.param(0.3, (0.1, 0.5), 0.06, "lower", "undecided", id="chance differs as much"),
        pytest.param(0.3, None, 0.01, "lower", "", id="no interval"),
        pytest.param(0.3, (0.1, 0.5), None, "lower", "", id="no test"),
    ],
)
def test_a_report_decides_by_interval_and_test(
    value: float, interval: tuple[float, float] | None, p_value: float | None, better: str, expected: str
) -> None:
    bounds = Interval(*interval, 0.95, "test") if interval else None
    significance = None if p_value is None else Significance(p_value, "test")
    metric = Metric("figure", value, "x", better, interval=bounds, significance=significance)
    assert verdict_of_difference(metric) == expected
