"""Clips with events by number: for each kind of event and each duration a collection of its own, beside the splits'.

Combinations are held out by the rule of `sampler`, by the motion that an event happens on: what a model was not trained
on there is not in training here.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from tiny_world.world.sampler import SPLITS, Combination, check_number, is_in
from tiny_world.world.spec import (
    COLOURS,
    CROPS,
    EVENTS,
    PHOTOGRAPHED_PLACES,
    PLACES,
    SHAPES,
    SPEEDS,
    Background,
    ClipSpec,
    Event,
    Motion,
    Subject,
    event_directions,
    speeds_for,
)


def sample_event(seed: int, index: int, event: str, duration: int, split: str = "train") -> ClipSpec:
    """Clip number `index` of the clips with an event of so many frames: a pure function of its arguments.

    The clips of one number are the same at every duration, but for the dial (and slow where a fast one has no room), so
    that durations are compared on equal terms. The combinations of shape, colour and direction come in a random order
    before one is repeated; speed, place and the rest are drawn evenly.

    Args:
        seed: of the whole world, not negative.
        index: from 0, without end.
        event: a kind of EVENTS.
        duration: frames, 1 to 20.
        split: one of SPLITS.

    Raises:
        ValueError: one of them is not what it should be.
    """
    check_number(seed, index, split)
    speeds = speeds_for(event, duration)
    shape, colour, kind, direction = _combination(seed, index, event, split)
    random = np.random.default_rng([*_stream(seed, event, split), 1, index])
    speed, place = (choices[int(random.integers(len(choices)))] for choices in (SPEEDS, PLACES))
    along, across, at = random.random(3).tolist()
    crop = int(random.integers(CROPS)) if place in PHOTOGRAPHED_PLACES else 0
    motion = Motion(kind, direction, speed if speed in speeds else speeds[0], along, across)
    background, paraphrase = Background(place, crop), int(random.integers(2**32))
    return ClipSpec((Subject(shape, colour, "small"),), background, motion, paraphrase, Event(event, duration, at))


def _combination(seed: int, index: int, event: str, split: str) -> Combination:
    possible = _combinations(event, split)
    lap, place = divmod(index, len(possible))
    order = np.random.default_rng([*_stream(seed, event, split), 0, lap]).permutation(len(possible))
    return possible[order[place]]


@lru_cache
def _combinations(event: str, split: str) -> tuple[Combination, ...]:
    every = product(SHAPES, COLOURS, (EVENTS[event],), event_directions(event))
    return tuple(combination for combination in every if is_in(split, *combination))


def _stream(seed: int, event: str, split: str) -> tuple[int, ...]:
    """The beginning of a seed of six numbers: those of `sampler` have three or five."""
    return seed, SPLITS.index(split), 7, tuple(EVENTS).index(event)
