import io

import pytest
from exvideo_eval import progress
from exvideo_eval.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left_are_told_on_one_line_of_a_terminal(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress("measured", 2000, stream)
    for number in range(120):
        clock[0] = 100 + (number + 1) / 3
        shown.step()
    assert stream.getvalue().endswith("\r\033[Kmeasured 120 of 2000, 3 a second, 10 min 27 s left")
    assert "\n" not in stream.getvalue()
    shown.close()
    assert stream.getvalue().endswith("\r\033[K")


def test_a_log_has_a_line_each_half_minute(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = Progress("measured", 100, stream)
    for _ in range(100):
        clock[0] += 1
        shown.step()
    shown.close()
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["measured 30 of 100", "measured 60 of 100", "measured 90 of 100"]


def test_quick_work_says_nothing_in_a_log(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = Progress("measured", 3, stream)
    for _ in range(3):
        shown.step()
    assert stream.getvalue() == ""
