"""Held-out losses of runs, by noise level."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.held_out import held_out


def run(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "extension.safetensors"


def losses(step: int, low: float, high: float) -> dict[str, Any]:
    told = {"validation/loss": 9.0, "validation/loss_sigma_4.6": low, "validation/loss_sigma_58": high}
    return {"step": step, **told, "validation/mse_sigma_58": 9.0}


BASE = {"validation_base/loss_sigma_4.6": 0.5, "validation_base/loss_sigma_58": 0.7}


def test_they_are_means_over_runs_of_the_first_and_the_last(tmp_path: Path) -> None:
    between = ({"step": 1, "loss": 1.0}, losses(5, 0.3, 0.5))
    one = run(tmp_path / "one", losses(0, 0.4, 0.6) | BASE, *between, losses(9, 0.2, 0.4))
    other = run(tmp_path / "other", losses(0, 0.4, 0.6) | BASE, losses(9, 0.1, 0.2))
    found = held_out([one, other])
    assert list(found) == ["4.6", "58"]
    assert found["4.6"] == pytest.approx({"base": 0.5, "start": 0.4, "halfway": 0.35, "end": 0.15})
    assert found["58"] == pytest.approx({"base": 0.7, "start": 0.6, "halfway": 0.55, "end": 0.3})


def test_runs_without_held_out_figures_have_none(tmp_path: Path) -> None:
    one = run(tmp_path / "one", losses(0, 0.4, 0.6) | BASE)
    assert held_out([one, run(tmp_path / "bare", {"step": 1, "loss": 1.0})]) == {}
    assert held_out([one, tmp_path / "absent" / "extension.safetensors"]) == {}
    assert held_out([]) == {}


@pytest.mark.parametrize("text", ["{", "7\n", json.dumps(losses(0, 0.4, 0.6))])
def test_damaged_figures_are_refused_with_a_way_out(tmp_path: Path, text: str) -> None:
    file = run(tmp_path / "one")
    file.with_name("metrics.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.jsonl is damaged \(.*\): remove .*one, and it is trained again\."):
        held_out([file])
