"""Quantiles against Fisher's table, the closed forms of 1, 2 and 4 degrees of freedom, and the normal law."""

import math
from statistics import NormalDist

import pytest
from exvideo_eval.student import student_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (23, 2.0687), (97, 1.9847), (1000, 1.9623)],
)
def test_quantiles_are_those_of_the_table(freedom: float, quantile: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(quantile, abs=6e-5)
    assert student_quantile(0.025, freedom) == pytest.approx(-quantile, abs=6e-5)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999, 0.99999])
def test_few_degrees_of_freedom_have_closed_forms_at_every_level(level: float) -> None:
    upper = 0.5 + level / 2
    product = 4 * upper * (1 - upper)
    root = math.cos(math.acos(math.sqrt(product)) / 3) / math.sqrt(product)
    known = (math.tan(math.pi * level / 2), level * math.sqrt(2 / product), 2 * math.sqrt(root - 1))
    for freedom, quantile in zip((1, 2, 4), known, strict=True):
        assert student_quantile(upper, freedom) == pytest.approx(quantile, rel=1e-9)


def test_many_degrees_of_freedom_are_the_normal_law() -> None:
    assert student_quantile(0.975, 1e9) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-6)
    assert student_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)


def test_broken_numbers_lie_between_whole_ones() -> None:
    quantiles = [student_quantile(0.995, freedom) for freedom in (2, 2.3, 2.7, 3)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[0] > quantiles[1]
    assert quantiles[2] > quantiles[3]
