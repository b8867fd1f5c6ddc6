"""The share of the gain that few trained parameters keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.quality.frontier import ERRORS, SHARE_KEPT, SHARE_TRAINED, draw, rows_of_frontier


def row(trained: int, kept: float, interval: list[float]) -> dict[str, Any]:
    gain = {measure: {"value": kept, "interval": interval} for measure in ERRORS}
    return {"title": f"of {trained}", "trained_parameters": trained, "gain_kept": gain}


@pytest.fixture
def found() -> dict[str, Any]:
    methods = {
        "direct": row(0, 0.0, [0.0, 0.0]),
        "spread": row(0, 0.5, [0.4, 0.6]),
        "lora": row(20, 0.7, [0.6, 0.8]),
        "full": row(500, 1.0, []),
        "alone": row(30, 0.0, []) | {"gain_kept": {}},
    }
    return {"protocol": {"base_parameters": 1000}, "methods": methods}


def test_rows_that_train_and_their_start_are_told_from_the_most_to_the_least(found: dict[str, Any]) -> None:
    rows = [(share, told["gain_kept"][ERRORS[0]]["value"]) for share, told in rows_of_frontier(found)]
    assert rows == [(0.5, 1.0), (0.02, 0.7), (0.0, 0.5)]


def test_gains_are_of_the_measures_that_are_errors() -> None:
    assert ERRORS == ("displacement error", "velocity error of the median frame", "paired Fréchet distance")
    assert (SHARE_KEPT, SHARE_TRAINED) == (0.8, 0.02)


def test_what_is_drawn_goes_by_the_figures(found: dict[str, Any], tmp_path: Path) -> None:
    draw(tmp_path / "there" / "one.png", found)
    found["methods"]["lora"] = row(20, 0.4, [0.3, 0.5])
    draw(tmp_path / "there" / "other.png", found)
    one, other = (np.asarray(Image.open(tmp_path / "there" / name).convert("L")) for name in ("one.png", "other.png"))
    assert one.shape == other.shape
    assert min(one.shape) > 400
    assert (one != other).any()
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["one.png", "other.png"]
