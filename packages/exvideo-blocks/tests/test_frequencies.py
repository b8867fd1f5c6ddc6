"""The frequency rules against the formulas of their papers, written out anew."""

import math

import pytest
from exvideo_blocks.frequencies import FREQUENCIES, intrinsic_component, riflex_frequencies, rotary_frequencies

# Base and columns of HunyuanVideo, CogVideoX and Wan, and rows.
CASES = [(256.0, 16, 48), (1e4, 16, 20), (1e4, 44, 21), (256.0, 16, 33), (1e4, 16, 13)]
COMPONENTS = [(4, 50), (2, 20), (4, 22), (4, 50), (2, 20)]  # that RIFLEx slows down, and their periods


@pytest.mark.parametrize(("case", "published"), [*zip(CASES, COMPONENTS, strict=True)])
def test_the_intrinsic_components_that_riflex_publishes(
    case: tuple[float, int, int], published: tuple[int, int]
) -> None:
    theta, dim, rows = case
    found, period = intrinsic_component(rotary_frequencies(theta, dim), rows)
    assert (found, round(period)) == published
    backwards = rotary_frequencies(theta, dim)[::-1]
    assert intrinsic_component(backwards, rows) == (dim // 2 + 1 - found, period)


def test_a_base_that_is_longer_than_every_period_has_the_longest() -> None:
    assert intrinsic_component([2.0, 1.0], 1000) == (2, 2 * math.pi)


@pytest.mark.parametrize(("case", "published"), [*zip(CASES, COMPONENTS, strict=True)])
@pytest.mark.parametrize("times", [2, 2.5, 5])
def test_the_rules_are_the_papers_formulas(
    case: tuple[float, int, int], published: tuple[int, int], times: float
) -> None:
    theta, dim, known = case
    rows = math.ceil(times * known)
    scale = rows / known
    base = [1 / theta ** (2 * j / dim) for j in range(dim // 2)]
    assert rotary_frequencies(theta, dim) == pytest.approx(base, abs=1e-15)

    riflex = [2 * math.pi / (known * scale) if j + 1 == published[0] else f for j, f in enumerate(base)]
    ntk = [1 / (theta * scale ** (dim / (dim - 2))) ** (2 * j / dim) for j in range(dim // 2)]
    yarn = []
    for f in base:
        ratio = known / (2 * math.pi / f)
        ramp = 0 if ratio < 1 else 1 if ratio > 32 else (ratio - 1) / (32 - 1)
        yarn.append((1 - ramp) * f / scale + ramp * f)
    for name, expected in {"riflex": riflex, "ntk": ntk, "yarn": yarn}.items():
        found = FREQUENCIES[name](rotary_frequencies(theta, dim), known, rows)
        assert found == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("rule", FREQUENCIES)
@pytest.mark.parametrize(("theta", "dim", "known"), CASES)
def test_no_rule_speeds_a_component_up_and_at_the_known_length_none_changes_much(
    rule: str, theta: float, dim: int, known: int
) -> None:
    base = rotary_frequencies(theta, dim)
    assert all(0 < new <= old + 1e-15 for new, old in zip(FREQUENCIES[rule](base, known, 3 * known), base, strict=True))
    if rule != "riflex":
        assert FREQUENCIES[rule](base, known, known) == pytest.approx(base)


def test_a_component_that_covers_the_longer_clip_already_stays() -> None:
    base = rotary_frequencies(1e4, 44)
    assert riflex_frequencies(base, 21, 22) == base  # its period is 22.06
    assert riflex_frequencies(base, 21, 23) != base


def test_a_single_component_is_not_divided_by_zero() -> None:
    assert FREQUENCIES["ntk"]([1.0], 4, 8) == [1.0]
