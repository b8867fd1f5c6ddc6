"""The clips of a run's steps: of one bucket each, every clip as often as any other, and the same however asked."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from exvideo_train.data.dataset import Clip
from exvideo_train.noise import keyed_generator
from exvideo_train.order import ClipOrder

LARGE, SMALL, SHORT = ((64, 64), 40), ((64, 32), 40), ((64, 64), 16)


def clips_of(counts: dict[tuple[tuple[int, int], int], int]) -> list[Clip]:
    """Those of some buckets, mixed as files of a folder are."""
    clips = [Clip(Path(f"{n}.mp4"), n, frames, 8.0, size) for (size, frames), m in counts.items() for n in range(m)]
    return clips[::2] + clips[1::2]


def numbers_of(order: ClipOrder, samples: int, batch_size: int) -> list[int]:
    return [order.clip(*divmod(sample, batch_size)).start for sample in range(samples)]


def samples_of(order: ClipOrder, steps: range, batch_size: int) -> list[list[Clip]]:
    return [[order.clip(step, index) for index in range(batch_size)] for step in steps]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_of_one_bucket_the_order_is_the_one_that_runs_have_always_had(batch_size: int) -> None:
    clips = [Clip(Path("a.mp4"), start, 40, 8.0, (64, 64)) for start in range(7)]
    known = [5, 2, 0, 4, 3, 1, 6, 0, 1, 5, 3, 2, 4, 6, 6, 0, 3, 4, 5, 2, 1]
    assert numbers_of(ClipOrder(clips, 5, batch_size), 21, batch_size) == known
    for sample in (0, 5_000, 7_000_003):  # permutations end to end, a generator a pass
        number, place = divmod(sample, 7)
        expected = torch.randperm(7, generator=keyed_generator(3, "order", number))[place]
        assert ClipOrder(clips, 3, batch_size).clip(*divmod(sample, batch_size)).start == expected


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_a_step_is_of_one_bucket_and_every_clip_comes_as_often(batch_size: int) -> None:
    counts = {LARGE: 23, SMALL: 9, SHORT: 3}  # the last is smaller than the largest batch
    order = ClipOrder(clips_of(counts), 1, batch_size)
    assert [str(bucket) for bucket in order.buckets] == [
        "64x64, 40 frames", "64x32, 40 frames", "64x64, 16 frames"
    ]  # fmt: skip
    passes = 40
    steps = sum(passes * count // batch_size for count in counts.values())
    made = samples_of(order, range(steps), batch_size)
    assert all(len({(clip.size, clip.num_frames) for clip in batch}) == 1 for batch in made)
    times = Counter(clip for batch in made for clip in batch)
    assert len(times) == 35
    for bucket in counts:
        own = [number for clip, number in times.items() if (clip.size, clip.num_frames) == bucket]
        left_over = passes * counts[bucket] % batch_size
        assert sum(own) == passes * counts[bucket] - left_over  # whole steps, and no more than a batch waits
        assert max(own) - min(own) <= 1
    assert order.count_steps(steps) == [passes * count // batch_size for count in counts.values()]


def test_what_a_pass_leaves_over_comes_first_in_the_next_and_nothing_comes_twice_before() -> None:
    batch_size, counts = 4, {LARGE: 10, SMALL: 5}
    order = ClipOrder(clips_of(counts), 1, batch_size)
    for bucket, count in counts.items():
        made = samples_of(order, range(60), batch_size)
        own = [clip.start for batch in made for clip in batch if (clip.size, clip.num_frames) == bucket]
        for first in range(0, len(own) - count, count):
            assert sorted(own[first : first + count]) == list(range(count))
    in_passes = [order.turn_of(step)[0] for step in range(6)]  # 2 + 1 steps, 3 + 1 of the next
    assert Counter(in_passes[:3]) == {0: 2, 1: 1}


def test_steps_of_buckets_are_shuffled_in_every_pass() -> None:
    order = ClipOrder(clips_of({LARGE: 8, SMALL: 8}), 1, 2)
    passes = [tuple(order.turn_of(step)[0] for step in range(first, first + 8)) for first in range(0, 80, 8)]
    assert all(sorted(one) == [0] * 4 + [1] * 4 for one in passes)
    assert len(set(passes)) > 5
    other = ClipOrder(clips_of({LARGE: 8, SMALL: 8}), 2, 2)
    assert passes != [tuple(other.turn_of(step)[0] for step in range(first, first + 8)) for first in range(0, 80, 8)]


def test_a_sample_is_a_function_of_its_number_alone_and_costs_the_same_at_the_millionth_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = clips_of({LARGE: 23, SMALL: 9, SHORT: 1})
    asked = [(step, index) for step in (0, 7, 999_999, 1_000_000) for index in (0, 1, 6)]
    forward, backward = ClipOrder(clips, 4, 7), ClipOrder(clips, 4, 7)
    assert [forward.clip(*one) for one in asked] == [backward.clip(*one) for one in asked[::-1]][::-1]
    walked = Counter(forward.turn_of(step)[0] for step in range(2_000))
    assert [walked[bucket] for bucket in range(3)] == forward.count_steps(2_000)
    draws = []
    real = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *args, **options: draws.append(args) or real(*args, **options))
    ClipOrder(clips, 4, 7).clip(1_000_000, 6)
    assert len(draws) == 2  # the steps of that pass, and the clips of that bucket


def test_a_pass_is_shuffled_once_and_not_once_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    order, draws = ClipOrder(clips_of({LARGE: 30}), 987, 4), []
    real = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *args, **options: draws.append(args) or real(*args, **options))
    for step in range(15):  # each batch is asked for twice, as by two processes in one
        for index in [*range(4)] * 2:
            order.clip(step, index)
    assert draws.count((30,)) == 2


def test_what_is_left_untrained_is_told() -> None:
    order = ClipOrder(clips_of({LARGE: 11, SHORT: 2}), 0, 4)
    assert order.notes(50, 40) == []
    assert order.notes(2, 48) == [
        "No clip is longer than 40 frames: the positions beyond, up to 48, are not trained.",
        "The 2 clips of 64x64, 16 frames come in none of 2 steps, as they fill no batch by then: give more steps, "
        "smaller batches, or more such clips.",
    ]


def test_steps_are_counted_as_they_come() -> None:
    order = ClipOrder(clips_of({LARGE: 11, SMALL: 2}), 0, 4)
    counted = Counter[int]()
    for step in range(50):
        assert order.count_steps(step) == [counted[0], counted[1]]
        counted[order.turn_of(step)[0]] += 1
