"""Clips of the world by number: balanced over the world's combinations, and split by combination.

A combination is a shape, a colour and a motion with its direction. One colour in six is held out for each shape and
motion, so that each shape, each colour, each motion and each pair of them is in training, and the triple is not. What
is held out has two halves, which share no combination: choices are made by one, and judged by the other.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from tiny_world.world.spec import (
    COLOURS,
    CROPS,
    DIRECTIONS,
    PHOTOGRAPHED_PLACES,
    PLACES,
    SHAPES,
    SPEEDS,
    Background,
    ClipSpec,
    Motion,
    Subject,
    neighbours,
    sizes_for,
)

# "seen" has the combinations of "train", in other clips: what a model makes of these tells memory from ability.
# "validate" and "test" are the halves of "held_out". A clip is drawn by its split's place here: new ones come last.
SPLITS = ("train", "seen", "held_out", "validate", "test")
MOTIONS = tuple((kind, direction) for kind, directions in DIRECTIONS.items() for direction in directions)

Combination = tuple[str, str, str, str]  # shape, colour, kind of motion, direction


def is_held_out(shape: str, colour: str, kind: str, direction: str) -> bool:
    """True for combinations kept from training."""
    number = SHAPES.index(shape) + MOTIONS.index((kind, direction))
    return tuple(COLOURS).index(colour) == number % len(COLOURS)


def is_in(split: str, shape: str, colour: str, kind: str, direction: str) -> bool:
    """True for combinations that a split of `SPLITS` has."""
    held_out = is_held_out(shape, colour, kind, direction)
    if split in ("train", "seen"):
        return not held_out
    motion = MOTIONS.index((kind, direction))
    # Both halves have as many of each kind, direction, shape and colour, give or take one.
    half = ("validate", "test")[(SHAPES.index(shape) + motion + motion // 2) % 2]
    return held_out and split in ("held_out", half)


def sample_spec(seed: int, index: int, split: str = "train") -> ClipSpec:
    """Clip number `index` of a split: a pure function of its arguments.

    Any 7 clips from a multiple of 7 on have the 7 kinds of motion once each; each kind runs through its combinations in
    a random order before it repeats one. Size, speed, place and the rest are drawn evenly.

    Args:
        seed: of the whole world, not negative.
        index: from 0, without end.
        split: one of SPLITS; "train" and "seen" share their combinations but no clip, "held_out" has the others, and
            "validate" and "test" half of these each.

    Raises:
        ValueError: one of them is not what it should be.
    """
    check_number(seed, index, split)
    shape, colour, kind, direction = _combination(seed, index, split)
    random = np.random.default_rng([seed, SPLITS.index(split), index])
    subjects = [Subject(shape, colour, _one_of(random, sizes_for(kind, direction)))]
    if kind == "meets":
        subjects.append(_partner(random, subjects[0]))
    place = _one_of(random, PLACES)
    motion = Motion(
        kind,
        direction,
        _one_of(random, SPEEDS),
        along=float(random.random()),
        across=float(random.random()),
        second_colour=_one_of(random, neighbours(colour)) if kind == "recolours" else None,
    )
    crop = int(random.integers(CROPS)) if place in PHOTOGRAPHED_PLACES else 0
    return ClipSpec(tuple(subjects), Background(place, crop), motion, paraphrase=int(random.integers(2**32)))


def check_number(seed: int, index: int, split: str) -> None:
    """Checks what tells a clip from all others; raises ValueError as `sample_spec`."""
    if seed < 0 or index < 0 or split not in SPLITS:
        raise ValueError(
            f"seed, index and split are {seed}, {index} and {split!r}: "
            f"the first two are not negative, the third is one of {', '.join(SPLITS)}."
        )


def _combination(seed: int, index: int, split: str) -> Combination:
    block, place = divmod(index, len(DIRECTIONS))
    kind = tuple(DIRECTIONS)[_order(seed, split, -1, block, len(DIRECTIONS))[place]]
    combinations = _combinations(kind, split)
    lap, rest = divmod(block, len(combinations))
    return combinations[_order(seed, split, tuple(DIRECTIONS).index(kind), lap, len(combinations))[rest]]


@lru_cache
def _combinations(kind: str, split: str) -> tuple[Combination, ...]:
    every = product(SHAPES, COLOURS, (kind,), DIRECTIONS[kind])
    return tuple(combination for combination in every if is_in(split, *combination))


@lru_cache(maxsize=256)
def _order(seed: int, split: str, stream: int, lap: int, length: int) -> tuple[int, ...]:
    """A shuffle of range(length) of its own for every lap; stream -1 shuffles kinds, the others combinations."""
    random = np.random.default_rng([seed, SPLITS.index(split), stream + 1, lap, length])
    return tuple(random.permutation(length).tolist())


def _partner(random: np.random.Generator, first: Subject) -> Subject:
    """The other of two that meet: of another colour, and in no split a combination that is held out."""
    pairs = [
        (shape, colour)
        for shape, colour in product(SHAPES, COLOURS)
        if colour != first.colour and not is_held_out(shape, colour, "meets", "apart")
    ]
    return Subject(*pairs[int(random.integers(len(pairs)))], first.size)


def _one_of(random: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(random.integers(len(choices)))]
