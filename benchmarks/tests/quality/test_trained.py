"""Rows that are trained here, by group and by name."""

from pathlib import Path

import pytest

from benchmarks.quality.continued import CONTINUED_ROWS
from benchmarks.quality.methods import CONTROL, methods
from benchmarks.quality.recipes import ABLATION_ROWS, CONTROL_ROWS, HEADLINE_ROWS, RECIPES
from benchmarks.quality.trained import GROUPS, OF_EVENTS, OTHERS, TRAINED, WHOLE, rows_of, table


def test_rows_are_found_by_group_and_by_name() -> None:
    assert rows_of("ablations").keys() == {WHOLE, *ABLATION_ROWS}
    assert rows_of("controls").keys() == {WHOLE, *CONTROL_ROWS, *OTHERS}
    assert rows_of("headline").keys() == {*HEADLINE_ROWS, *OF_EVENTS}
    assert all(row.group == "noise" for row in rows_of("noise").values())
    assert rows_of("karras") == {"karras": RECIPES["karras"]}
    with pytest.raises(ValueError, match="'nothing': choose from headline, ablations, controls, levels"):
        rows_of("nothing")
    assert {name for group in GROUPS for name in rows_of(group)} == set(TRAINED)


def test_no_two_rows_have_one_name() -> None:
    # One of them would be gone without a word, and its runs and clips lie in the folders of the other.
    names = [*RECIPES, *CONTINUED_ROWS, *methods(Path("moments"))]
    assert len(TRAINED) == len(RECIPES) + len(CONTINUED_ROWS)
    assert sorted(set(names)) == sorted(names)


def test_controls_are_controls() -> None:
    for name in (*CONTROL_ROWS, *CONTINUED_ROWS):
        assert TRAINED[name].method(Path("x")).kind == CONTROL


def test_the_table_has_each_with_its_cost_and_all_of_them() -> None:
    lines = table().splitlines()
    assert len(lines) == len(TRAINED) + 3
    for line, row in zip(lines[2:], TRAINED.values(), strict=False):
        assert line.startswith(f"| {row.title} | {row.group} | {row.steps:,} |")
        assert line.endswith(f"| {row.hours:.1f} |")
    assert f"{sum(row.hours for row in TRAINED.values()):.0f}" in lines[-1]
