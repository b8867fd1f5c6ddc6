"""The closing lines say what was measured: before, after, and what the number rests on."""

from pathlib import Path

import pytest
from exvideo_eval import Interval, Metric, Result, Significance

from demo.closing import TRUTH_FIGURES, closing_lines
from demo.job import Job
from demo.loss_curve import HeldOutLoss
from demo.stages import Stages, Timing

LOSS = HeldOutLoss(0.6, (0, 2), (0.5, 0.25))
BEFORE, AFTER, REAL = 4.0, 2.0, 0.25
DISTANCE = "Fréchet distance, judges features"
LOST, KEPT = "sharpness, mismatch to real", "contrast, mismatch to real"


def write_result(path: Path, value: float, names: tuple[str, ...]) -> None:
    interval = Interval(value / 2, value * 2, 0.95, "bootstrap")
    metrics = tuple(Metric(name, value, "pixels", "lower", 24, interval=interval) for name in names)
    distance = Metric(DISTANCE, 10 * value, "u", "lower", 24, 6, "judges", interval)
    alike = Metric(f"{DISTANCE}, if alike", 9, "u", "neutral", 24, 6, "j", quantity=DISTANCE, statistic="null")
    result = Result.measured_here(kind="quality", name="test", protocol={}, metrics=(*metrics, distance, alike))
    result.save(path)


def write_contrast(path: Path) -> None:
    interval = Interval(-30, -10, 0.95, "jackknife")
    name = f"{DISTANCE}, difference to baseline"
    metrics = [Metric(name, -20.0, "u", "lower", interval=interval, significance=Significance(0.001, "swap"))]
    for name, p in ((LOST, 0.01), (KEPT, 0.3)):
        rise = Interval(0.1, 0.3, 0.95, "t")
        metrics.append(
            Metric(
                f"{name}, difference to baseline",
                0.2,
                "u",
                "lower",
                24,
                interval=rise,
                significance=Significance(p, "s"),
            )
        )
    Result.measured_here(kind="quality", name="test", protocol={}, metrics=tuple(metrics)).save(path)


@pytest.mark.parametrize("truth_is_known", [True, False])
def test_figures_before_and_after(tmp_path: Path, truth_is_known: bool) -> None:
    for name, value in (("base", BEFORE), ("extended", AFTER), ("real", REAL)):
        write_result(tmp_path / "truth" / f"{name}.json", value, TRUTH_FIGURES)
    for name, value in (("baseline", BEFORE), ("report", AFTER)):
        write_result(tmp_path / "report" / f"{name}.json", value, ("motion energy, ratio to real", LOST, KEPT))
    write_contrast(tmp_path / "report" / "against_baseline.json")
    job = Job("base", tmp_path, tmp_path, tmp_path, arguments_of=lambda clip: {}, truth_is_known=truth_is_known)
    stages = Stages(2, [Timing("Clips: of the world", 3.0, 4.0), Timing("Post-tuning: exvideo-train", 200.0, 400.0)])
    lines = closing_lines(job, stages, LOSS, tmp_path).splitlines()
    assert lines[0] == "40 frames of 64x64, without -> with the extension:"
    assert lines[1] == "  held-out loss: 0.6 -> 0.25"
    truth = "  displacement error, pixels: 4 [2, 8] -> 2 [1, 4] (real clips: 0.25)"
    assert (truth in lines) == truth_is_known
    distances = [line for line in lines if "Fréchet" in line]
    assert len(distances) == 1
    assert "(24 clips, dimension 6)" in distances[0]
    assert distances[0].endswith(": 40 [2, 8] -> 20 [1, 4]; difference -20 [-30, -10], p 0.001")
    assert any(line.startswith("  motion energy") for line in lines)
    assert [line for line in lines if line.endswith(", worse")] == [
        f"  {LOST}, pixels: 4 [2, 8] -> 2 [1, 4]; difference 0.2 [0.1, 0.3], p 0.01, worse"
    ]
    assert not any(KEPT in line for line in lines)
    assert "203 in all" in lines[-2]
    assert ("truth/truth.md" in lines[-1]) == truth_is_known
