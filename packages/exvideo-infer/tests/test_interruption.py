"""Calls under way: from a callback its own is told to end, from elsewhere all are."""

import threading
from contextlib import suppress

from exvideo_infer.interruption import Calls


def test_from_outside_every_call_is_told() -> None:
    calls, begun, told = Calls(), threading.Barrier(3), []

    def call() -> None:
        with calls.one() as event:
            begun.wait(10)
            told.append(event.wait(10))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    assert not calls.interrupted
    calls.interrupt(True)
    for thread in threads:
        thread.join(10)
    assert told == [True, True]
    assert not calls.interrupted  # nothing is under way


def test_a_call_tells_itself_alone() -> None:
    calls, begun, done, others = Calls(), threading.Event(), threading.Event(), []

    def other() -> None:
        with calls.one() as event:
            begun.set()
            done.wait(10)
            others.append(event.is_set())

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(10)
    with calls.one() as own:
        calls.interrupt(True)
        assert own.is_set()
        assert calls.interrupted
        calls.interrupt(False)
        assert not own.is_set()
        calls.interrupt(True)
    done.set()
    thread.join(10)
    assert others == [False]


def test_a_call_within_a_call_gives_way_to_it_again() -> None:
    calls = Calls()
    with calls.one() as outer:
        with suppress(KeyError), calls.one() as inner:
            calls.interrupt(True)
            assert inner.is_set()
            raise KeyError
        assert not outer.is_set()
        calls.interrupt(True)
        assert outer.is_set()
    with calls.one() as later:
        assert not later.is_set()
