"""The terminal: a line a step in a file, a live view on a terminal."""

import io
import re

import pytest
from exvideo_train.display import Display, figures_line
from rich.console import Console

FIGURES = {
    "loss": 0.12345,
    "grad_norm": 1.5,
    "learning_rate": 1e-5,
    "clips_per_second": 2.345,
    "data_wait_share": 0.012,
    "peak_gib": 21.04,
}


def test_the_figures_that_a_person_watches() -> None:
    line = "loss 0.1235  grad 1.50  lr 1.0e-05  2.35 clips/s  waiting 1.2%  21.0 GiB"
    assert figures_line(FIGURES) == line
    assert figures_line(FIGURES | {"mfu": 0.4567}) == f"{line}  MFU 45.7%"


def test_without_a_terminal_each_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(True)
    display.start(0, 10, clips=3, parameters=1000)
    display.step(1, FIGURES, seconds_left=3_661)
    display.stop()
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == f"step 1  {figures_line(FIGURES)}  ETA 1:01:01"


@pytest.mark.parametrize("width", [60, 160])
def test_on_a_terminal_the_view_holds_bar_time_left_and_every_figure(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr("exvideo_train.display.Console", lambda **_: console)
    display = Display(True)
    display.start(0, 10, clips=3, parameters=1000)
    display.step(4, FIGURES, seconds_left=3_661)
    display.stop()
    shown = re.sub(r"\s+", " ", re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", screen.getvalue()))
    assert "4/10 ETA 1:01:01" in shown
    assert re.sub(r"\s+", " ", figures_line(FIGURES)) in shown
