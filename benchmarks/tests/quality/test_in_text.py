"""Figures in a page's text are the committed ones."""

from typing import Any

import pytest

from benchmarks.quality.in_text import with_figures

COMPARED = {"difference": -1.4, "difference_interval": [-2.0, -0.81], "ratio": 0.6, "ratio_interval": [0.45, 0.75]}
SETTINGS: dict[str, Any] = {
    "validate/a_28": {
        "methods": {
            "ours": {
                "figures": {"shape right": {"value": 0.876, "interval": [0.8, 0.95]}},
                "network_frames": 960,
                "gain_kept": {"displacement error": {"value": 0.62, "interval": [0.5, 0.75]}},
            },
            "one-seed": {"figures": {"shape right": {"value": 0.5, "interval": []}}, "gain_kept": {}},
        },
        "against": {"theirs": {"ours": {"measures": {"shape right": COMPARED}}, "one-seed": None}},
    }
}


def place(what: str, told: str = "old") -> str:
    return f"<!-- figure: validate/a_28: {what} -->{told}<!-- /figure -->"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("ours: shape right: .2f", "0.88"),
        ("ours: shape right: .1f []", "0.9 [0.8, 0.9]"),
        ("ours less theirs: shape right: .1f []", "-1.4 [-2.0, -0.8]"),
        ("ours over theirs: shape right: .2f", "0.60"),
        ("ours: frames evaluated: .0f", "960"),
        ("ours of the gain: displacement error: .2f []", "0.62 [0.50, 0.75]"),
        ("one-seed: shape right: .1f", "0.5"),
    ],
)
def test_a_figure_is_put_in_its_place(what: str, told: str) -> None:
    text = with_figures(f"It is {place(what)}, and {place(what)}.", SETTINGS)
    assert text == f"It is {place(what, told)}, and {place(what, told)}."
    assert with_figures(text, SETTINGS) == text


@pytest.mark.parametrize(
    "what",
    [
        "yours: shape right: .2f", "ours: colour: .2f", "ours over yours: shape right: .2f",
        "ours of the gain: shape right: .2f", "one-seed of the gain: displacement error: .2f",
        "one-seed over theirs: shape right: .2f", "one-seed: shape right: .2f []", "ours: frames evaluated: .0f []",
    ],
)  # fmt: skip
def test_a_figure_that_there_is_not_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=f"is of one seed: <!-- figure: validate/a_28: {what[:6]}"):
        with_figures(place(what), SETTINGS)
