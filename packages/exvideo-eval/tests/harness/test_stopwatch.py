"""Seconds are those of a call, and what disturbs some samples does not move the best."""

import gc
import time

from exvideo_eval.harness.stopwatch import TURN, Stopwatch


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_call_takes_what_it_takes() -> None:
    wall, cpu = Stopwatch(lambda: time.sleep(0.005)).turn()
    assert 0.005 <= wall < 1
    assert cpu < 0.004  # asleep


def test_a_disturbed_call_has_the_best_of_an_undisturbed_one() -> None:
    calls = iter(range(1_000_000))
    stopwatch = Stopwatch(lambda: spin(0.002 if next(calls) % 3 else 0.0005))
    assert 0.0005 <= min(stopwatch.turn()[0] for _ in range(5)) < 0.002


def test_a_short_call_is_made_many_times_a_sample() -> None:
    calls = []
    stopwatch = Stopwatch(lambda: calls.append(None))
    before = len(calls)
    wall, _ = stopwatch.turn()
    assert wall < 1e-5
    assert len(calls) - before > 1000


def test_a_long_call_is_made_once_a_turn() -> None:
    calls = []
    stopwatch = Stopwatch(lambda: (calls.append(None), spin(TURN)))
    before = len(calls)
    stopwatch.turn()
    assert len(calls) - before == 1
    assert gc.isenabled()
