"""README's table is that of the committed figures, and those are of a demo's results."""

import json
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval import Interval, Metric, Result, Significance

from demo.table import FIGURES, README, ROWS, figures_of, filled, main, table

COMMITTED = json.loads(FIGURES.read_text(encoding="utf-8"))


def metric(name: str, value: float, half: float = 0.0, p: float | None = None, better: str = "lower") -> Metric:
    interval = Interval(value - half, value + half, 0.95, "bootstrap") if half else None
    return Metric(
        name, value, "u", better, 24, interval=interval, significance=None if p is None else Significance(p, "swap")
    )


def save(path: Path, *metrics: Metric) -> None:
    path.parent.mkdir(exist_ok=True)
    Result.measured_here(kind="quality", name="test", protocol={}, metrics=metrics).save(path)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The folder of a demo: the extension is better by the truth and by the distance, and loses shape."""
    (tmp_path / "post_tune").mkdir()
    lines = [
        {"step": step, "validation/loss": loss, "validation_base/loss": 0.4} for step, loss in ((0, 0.3), (50, 0.1234))
    ]
    (tmp_path / "post_tune/metrics.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    by_truth = [row.name for row in ROWS if row.of_truth]
    by_report = [row.name for row in ROWS if not row.of_truth]
    better = {name: "higher" if name == "shape right" else "lower" for name in by_truth}
    save(tmp_path / "truth/base.json", *(metric(name, 2.0, 0.5) for name in by_truth))
    save(tmp_path / "truth/real.json", *(metric(name, 0.25) for name in by_truth))
    lower = [metric(f"{name}, less that of base", -1.0, 0.25, better=better[name]) for name in by_truth]
    save(tmp_path / "truth/extended.json", *(metric(name, 1.0, 0.5) for name in by_truth), *lower)
    save(tmp_path / "report/baseline.json", *(metric(name, 2.0, 0.5) for name in by_report))
    save(tmp_path / "report/report.json", *(metric(name, 1.0, 0.5) for name in by_report))
    contrast = [metric(f"{name}, difference to baseline", -1.0, 0.25, 0.001) for name in by_report]
    contrast += [metric(f"{name}, ratio to baseline", 0.5, 0.125) for name in by_report]
    save(tmp_path / "report/against_baseline.json", *contrast)
    return tmp_path


def test_the_readme_has_the_table_of_the_committed_figures() -> None:
    text = README.read_text(encoding="utf-8")
    assert filled(text, COMMITTED) == text, "python -m demo.table"
    assert table(COMMITTED) in text
    assert COMMITTED["command"] in text


def test_a_run_s_results_become_lines(demo: Path) -> None:
    figures = figures_of(demo)
    assert figures["command"] == "make demo STEPS=50"
    lines = table(figures).splitlines()
    assert "| 0.400 | 0.123 |" in lines[2]
    told = {line.split(" | ")[0].removeprefix("| "): line for line in lines[3:]}
    error = told["displacement error, pixels"]
    assert error.endswith("| 2.0 [1.5, 2.5] | **1.0 [0.5, 1.5]** | 0.2 | -1.0 [-1.2, -0.8] |")
    assert "| **2.00 [1.50, 2.50]** | 1.00 [0.50, 1.50] |" in told["shape right"]
    distance = told["Fréchet distance, features of the tiny world's judges"]
    assert distance.endswith("| -1.0 [-1.2, -0.8], p 0.001, ratio 0.50 [0.38, 0.62] |")
    assert len(lines) == 3 + len(ROWS)


def test_a_stage_that_left_nothing_is_an_error(demo: Path) -> None:
    (demo / "report/baseline.json").unlink()
    with pytest.raises(ValueError, match=r"baseline\.json cannot be read"):
        figures_of(demo)
    (demo / "post_tune/metrics.jsonl").unlink()
    with pytest.raises(FileNotFoundError):
        figures_of(demo)


def test_the_program_writes_both(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("before\n<!-- demo table -->\nold\n<!-- /demo table -->\nafter\n")
    monkeypatch.setattr("demo.table.README", page)
    monkeypatch.setattr("demo.table.FIGURES", figures)
    assert main([str(demo)]) == 0
    read: dict[str, Any] = json.loads(figures.read_text())
    assert page.read_text() == f"before\n<!-- demo table -->\n{table(read)}\n<!-- /demo table -->\nafter\n"
    page.write_text(page.read_text().replace("displacement error", "x"))
    assert main([]) == 0
    assert "displacement error" in page.read_text()
