"""The clips of a run's steps: each step is of one bucket, and in the long run every clip comes as often as any other.

A pass goes over all clips. In it each bucket gives as many whole steps as its clips fill, with those in front that the
pass before has left over, and the steps of all buckets come in a new order. So a bucket of fewer clips than a batch has
its turn once its leftovers make one. All of it is arithmetic on (seed, step, index): nothing is kept from step to step,
and the millionth costs what the first one does.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache, partial

import torch

from exvideo_train.data.buckets import by_bucket
from exvideo_train.data.dataset import Clip
from exvideo_train.noise import keyed_generator

_REMEMBERED = 4  # passes: a batch may reach from one into the next, and steps are made ahead


class ClipOrder:
    """The order of a run.

    Args:
        clips: at least one.
        seed: the run's.
        batch_size: clips a step, over all processes together.

    Attributes:
        buckets: those of the clips.
        counts: the number of clips of each.
    """

    def __init__(self, clips: Sequence[Clip], seed: int, batch_size: int) -> None:
        found = by_bucket(clips)
        self.buckets = tuple(found)
        self._clips = tuple(found.values())
        self.counts = tuple(map(len, self._clips))
        self._seed, self._batch_size = seed, batch_size
        # One for each bucket, so that none drives another's order out.
        self._shuffled = [lru_cache(_REMEMBERED)(partial(self._shuffle, bucket)) for bucket in range(len(found))]
        self._turns_of = lru_cache(_REMEMBERED)(self._draw_turns)

    def clip(self, step: int, index: int) -> Clip:
        """The clip of a sample.

        Args:
            step: from 0.
            index: within the step's global batch.
        """
        bucket, turn = self.turn_of(step)
        clips = self._clips[bucket]
        number, place = divmod(turn * self._batch_size + index, len(clips))
        return clips[self._shuffled[bucket](number)[place]]

    def turn_of(self, step: int) -> tuple[int, int]:
        """A step's bucket, by its place in `buckets`, and how many steps of that bucket come before."""
        number = self._pass_of(step)
        return self._turns_of(number)[step - self._steps_before(number)]

    def count_steps(self, steps: int) -> list[int]:
        """The steps of each bucket among the first `steps`, in the order of `buckets`."""
        number = self._pass_of(steps)
        counts = self._turns_before(number)
        for bucket, _ in self._turns_of(number)[: steps - self._steps_before(number)]:
            counts[bucket] += 1
        return counts

    def notes(self, steps: int, num_frames: int) -> list[str]:
        """A sentence for each thing that a run of so many steps, and positions for so many frames, leaves untrained."""
        longest = max(bucket.num_frames for bucket in self.buckets)
        beyond = f"No clip is longer than {longest} frames: the positions beyond, up to {num_frames}, are not trained."
        return [beyond] * (longest < num_frames) + [
            f"The {clips} clips of {bucket} come in none of {steps} steps, as they fill no batch by then: give more "
            "steps, smaller batches, or more such clips."
            for bucket, clips, times in zip(self.buckets, self.counts, self.count_steps(steps), strict=True)
            if not times
        ]

    def _pass_of(self, step: int) -> int:
        # Whole steps fall short of the clips of all passes before by less than one step a bucket.
        beyond = (step + 1 + len(self.counts)) * self._batch_size // sum(self.counts) + 1
        return bisect_right(range(beyond + 1), step, key=self._steps_before) - 1

    def _steps_before(self, number: int) -> int:
        return sum(self._turns_before(number))

    def _turns_before(self, number: int) -> list[int]:
        """Steps of each bucket before a pass."""
        return [number * count // self._batch_size for count in self.counts]

    def _draw_turns(self, number: int) -> list[tuple[int, int]]:
        """The steps of a pass as `turn_of` has them: buckets are shuffled, and the steps of each bucket are not."""
        spans = list(map(range, self._turns_before(number), self._turns_before(number + 1)))
        buckets = [bucket for bucket, span in enumerate(spans) for _ in span]
        turns = [iter(span) for span in spans]
        order = torch.randperm(len(buckets), generator=keyed_generator(self._seed, "buckets", number)).tolist()
        return [(buckets[place], next(turns[buckets[place]])) for place in order]

    def _shuffle(self, bucket: int, number: int) -> list[int]:
        """A pass over a bucket: places of its clips. Of the first bucket as it was when there was but one."""
        key = (number, bucket) if bucket else (number,)
        generator = keyed_generator(self._seed, "order", *key)
        order: list[int] = torch.randperm(self.counts[bucket], generator=generator).tolist()
        return order
