import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exvideo_infer.jobs.claims import claim
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.jobs.queue import JobQueue, QueueFullError, Status, Ticket

from .sketch_maker import FRAMES, SketchMaker


@pytest.fixture
def make_queue(tmp_path: Path) -> Iterator[Callable[..., JobQueue]]:
    queues = []

    def make(room: int = 4, seconds_a_step: float = 0.0) -> JobQueue:
        queues.append(JobQueue(SketchMaker(seconds_a_step), tmp_path, Limits(queue=room)))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()


def finish(queue: JobQueue, ticket: Ticket, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not ticket.status.is_final:
        assert time.monotonic() < end
        queue.wait(ticket, 0.1)


def test_clips_are_made_in_turn_and_found_again(make_queue: Callable[..., JobQueue]) -> None:
    queue = make_queue(seconds_a_step=0.02)
    first, second = queue.submit(Job("a")), queue.submit(Job("a", seed=1))
    assert queue.submit(Job("a")) is first
    finish(queue, second)
    assert (first.status, first.step, second.status) == (Status.COMPLETED, FRAMES, Status.COMPLETED)
    again = make_queue()
    found = again.get(first.name)
    assert found is not None
    assert (found.status, found.settings["prompt"]) == (Status.COMPLETED, "a")
    assert [ticket.name for ticket in again.newest(9)] == [second.name, first.name]
    assert [ticket.name for ticket in again.newest(1)] == [second.name]
    assert again.get("../clips") is again.get("0" * 20) is None


def test_no_more_wait_than_may(make_queue: Callable[..., JobQueue]) -> None:
    queue = make_queue(room=2, seconds_a_step=0.5)
    running = queue.submit(Job("a"))
    while running.status is Status.QUEUED:
        queue.wait(running, 0.1)
    waiting = [queue.submit(Job("a", seed=seed)) for seed in (1, 2)]
    assert [queue.position(ticket) for ticket in (running, *waiting)] == [None, 1, 2]
    with pytest.raises(QueueFullError, match="2 clips wait already"):
        queue.submit(Job("a", seed=3))
    assert queue.cancel(waiting[0])
    assert queue.submit(Job("a", seed=3)).status is Status.QUEUED


def test_a_cancelled_clip_frees_the_model_within_a_step(make_queue: Callable[..., JobQueue], tmp_path: Path) -> None:
    queue = make_queue(seconds_a_step=0.2)
    ticket, after = queue.submit(Job("a", steps=100)), queue.submit(Job("a", seed=1, steps=1))
    while ticket.step == 0:
        queue.wait(ticket, 0.1)
    assert queue.cancel(ticket)
    step = ticket.step
    finish(queue, after, 5)
    assert (ticket.status, after.status) == (Status.CANCELLED, Status.COMPLETED)
    assert ticket.step <= step + 1
    assert not queue.cancel(after)
    assert {path.name for path in tmp_path.iterdir()} == {f"{after.name}.mp4", f"{after.name}.json"}
    assert queue.submit(Job("a", steps=100)).status is not Status.CANCELLED


def test_a_failure_is_told_and_the_next_clip_is_made(make_queue: Callable[..., JobQueue]) -> None:
    queue = make_queue()
    failed, after = queue.submit(Job("fail")), queue.submit(Job("a"))
    finish(queue, after)
    assert (failed.status, after.status) == (Status.FAILED, Status.COMPLETED)
    assert failed.error == "The clip failed by a fault of the program (RuntimeError): its log says more."


def test_deleted_clips_and_uploads_are_gone(make_queue: Callable[..., JobQueue], tmp_path: Path) -> None:
    queue = make_queue(seconds_a_step=0.1)
    uploads = [tmp_path / f"upload-{number}" for number in range(3)]
    for upload in uploads:
        upload.touch()
    ticket = queue.submit(Job("a"), upload=uploads[0])
    assert queue.submit(Job("a"), upload=uploads[1]) is ticket
    assert not uploads[1].exists()
    assert uploads[0].exists()
    queue.delete(ticket)
    done = queue.submit(Job("b", steps=1), upload=uploads[2])
    finish(queue, ticket)
    finish(queue, done)
    queue.delete(done)
    assert not list(tmp_path.iterdir())
    assert queue.get(done.name) is None


def test_a_clip_that_another_process_makes_is_waited_for(make_queue: Callable[..., JobQueue], tmp_path: Path) -> None:
    queue = make_queue()
    clip = queue.maker.resolve(Job("a"))
    with claim(tmp_path, clip.name(queue.maker.model)) as held:
        assert held
        ticket = queue.submit(Job("a"))
        time.sleep(0.3)
        assert not ticket.status.is_final
    finish(queue, ticket)
    assert ticket.status is Status.COMPLETED
