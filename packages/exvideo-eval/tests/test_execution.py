"""Threads and devices: results in order, one thread in each network, and errors that say what is there."""

import threading
import time

import pytest
import torch
from exvideo_eval.execution import Execution, available_workers
from exvideo_eval.processes import Processes


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert Execution(workers=workers).each("squared", slow_first, range(7)) == [0, 1, 4, 9, 16, 25, 36]


def test_workers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=20)
    Execution(workers=3).each("met", lambda _: meeting.wait(), range(3))


def test_an_error_stops_what_has_not_begun() -> None:
    seen = []

    def fail(number: int) -> None:
        seen.append(number)
        raise KeyError(number)

    with pytest.raises(KeyError):
        Execution().each("failed", fail, range(1000))
    assert len(seen) < 10


def test_networks_have_one_thread_whatever_the_caller_has() -> None:
    torch.set_num_threads(2)
    assert set(Execution(workers=2).each("counted", lambda _: torch.get_num_threads(), range(4))) == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"workers": 0}, "workers is 0: give at least 1"),
        ({"batch_size": 0}, "batch_size is 0: give at least 1"),
        ({"device": "abacus"}, "The device 'abacus' cannot be used .*: give cpu, cuda or cuda:N"),
        ({"processes": Processes(1, 2)}, "2 processes share no files without a cache: give its folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Execution(**wrong)  # type: ignore[arg-type]


def test_processors_are_shared_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    alone = available_workers()
    assert alone >= 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(4 * alone))
    assert available_workers() == 1


def test_shares_are_everything_and_nothing_twice() -> None:
    items = list(range(11))
    shares = [Processes(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
