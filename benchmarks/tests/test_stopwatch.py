"""Contenders take turns."""

import time

import torch

from benchmarks.stopwatch import alternate, kernel_clock, peak_bytes, wall_clock


def test_contenders_rotate_after_a_warm_up_that_does_not_count() -> None:
    calls: list[str] = []
    contenders = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = alternate(contenders, wall_clock(torch.device("cpu")), rounds=3, warmup=1)
    assert calls == ["a", "b", "a", "b", "b", "a", "b", "a"]  # warm-up, then rotated, then backwards
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}


def test_clocks_count_seconds() -> None:
    for clock in (wall_clock, kernel_clock):
        assert 0.02 <= clock(torch.device("cpu"))(lambda: time.sleep(0.02)) < 2


def test_memory_is_not_guessed_where_it_cannot_be_measured() -> None:
    assert peak_bytes(lambda: None, torch.device("cpu")) is None
