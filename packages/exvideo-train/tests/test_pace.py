"""The pace of a run, from the times of its steps."""

import pytest
from exvideo_train.pace import Pace, clock


def step(seconds: float, waited: float = 0.0) -> dict[str, float]:
    return {"seconds": seconds, "data_wait_seconds": waited}


def test_figures_of_a_step() -> None:
    assert Pace(clips=6).figures(step(2.0, 0.5)) == {"clips_per_second": 3.0, "data_wait_share": 0.25}


def test_the_use_of_the_card_is_told_where_flops_and_peak_are_known() -> None:
    assert Pace(1, flops=[10**12], peak_flops=4e12).figures(step(0.5))["mfu"] == 0.5
    assert "mfu" not in Pace(1, flops=[10**12]).figures(step(0.5))


def test_the_time_left_goes_by_the_median_step() -> None:
    pace = Pace(1)
    assert pace.seconds_left(10) is None
    for seconds in (2.0, 2.0, 90.0, 2.0, 3.0):  # one has waited for a disk
        pace.figures(step(seconds))
    assert pace.seconds_left(10) == 20.0
    for _ in range(50):  # the clips are longer from here on
        pace.figures(step(7.0))
    assert pace.seconds_left(10) == 70.0


def test_the_time_left_goes_by_the_steps_of_each_bucket() -> None:
    pace = Pace(1, flops=[8, 1], peak_flops=1.0, shares=(30, 10))
    assert pace.figures(step(4.0), 0)["mfu"] == 2.0
    assert pace.seconds_left(8) == 32.0
    assert pace.figures(step(1.0), 1)["mfu"] == 1.0
    assert pace.seconds_left(8) == 6 * 4.0 + 2 * 1.0


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0:00:00"), (61, "0:01:01"), (255_729, "71:02:09")])
def test_time_in_hours(seconds: float, told: str) -> None:
    assert clock(seconds) == told
