"""The world's clips: a pure function of seed, index and split, balanced, and split by combination."""

import hashlib
import json
from collections import Counter
from itertools import product

import pytest

from tiny_world.world.sampler import MOTIONS, SPLITS, Combination, is_held_out, is_in, sample_spec
from tiny_world.world.spec import COLOURS, DIRECTIONS, PLACES, SHAPES, SIZES, SPEEDS, ClipSpec


def combinations_of(spec: ClipSpec) -> set[Combination]:
    return {(s.shape, s.colour, spec.motion.kind, spec.motion.direction) for s in spec.subjects}


@pytest.fixture(scope="module")
def clips() -> dict[str, list[ClipSpec]]:
    return {split: [sample_spec(0, index, split) for index in range(1400)] for split in SPLITS}


def test_a_clip_is_a_function_of_seed_index_and_split() -> None:
    assert sample_spec(3, 17, "train") == sample_spec(3, 17, "train")
    others = [sample_spec(4, 17, "train"), sample_spec(3, 18, "train"), sample_spec(3, 17, "seen")]
    assert len({sample_spec(3, 17, "train"), *others}) == 4


def test_held_out_combinations_are_never_trained_on(clips: dict[str, list[ClipSpec]]) -> None:
    trained = set().union(*map(combinations_of, clips["train"]))
    assert set().union(*map(combinations_of, clips["seen"])) <= {c for c in trained | _all() if not is_held_out(*c)}
    for spec in clips["held_out"]:
        subject, motion = spec.subjects[0], spec.motion
        assert (subject.shape, subject.colour, motion.kind, motion.direction) not in trained


def test_seen_has_clips_of_its_own(clips: dict[str, list[ClipSpec]]) -> None:
    assert not set(clips["train"]) & set(clips["seen"])


def test_every_pair_of_what_is_held_out_together_is_in_training(clips: dict[str, list[ClipSpec]]) -> None:
    trained = set().union(*map(combinations_of, clips["train"]))
    assert {c[:2] for c in trained} == set(product(SHAPES, COLOURS))
    assert {(c[0], *c[2:]) for c in trained} == {(shape, *motion) for shape in SHAPES for motion in MOTIONS}
    assert {c[1:] for c in trained} == {(colour, *motion) for colour in COLOURS for motion in MOTIONS}


def test_a_sixth_is_held_out_and_any_colour_as_often_as_another() -> None:
    held_out = [c for c in _all() if is_held_out(*c)]
    assert len(held_out) == len(_all()) / 6
    assert max(Counter(c[1] for c in held_out).values()) - min(Counter(c[1] for c in held_out).values()) <= 1


def test_what_is_held_out_has_two_halves_that_share_nothing(clips: dict[str, list[ClipSpec]]) -> None:
    """Of what is held out alone: the second of two that meet is of training, in any split."""
    halves = [{c for c in _all() if is_in(split, *c)} for split in ("validate", "test")]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == {c for c in _all() if is_held_out(*c)}
    for split, half in zip(("validate", "test"), halves, strict=True):
        firsts = [(s.subjects[0].shape, s.subjects[0].colour, s.motion.kind, s.motion.direction) for s in clips[split]]
        assert set(firsts) == half
    for part in (slice(0, 1), slice(1, 2), slice(2, 3), slice(2, 4)):  # shape, colour, kind, kind with direction
        counts = [Counter(c[part] for c in half) for half in halves]
        assert all(abs(counts[0][value] - counts[1][value]) <= 1 for value in counts[0] | counts[1])


@pytest.mark.parametrize(
    ("split", "sha256"),
    [
        ("train", "c179522ce8cc998389bd9251e1586e1ed42268845fa66f87d36c5b1998e59970"),
        ("seen", "393bc0c0a99b0e930e8fa803dc002c895bda93e8025aab376ec94314b4f52be7"),
        ("held_out", "4ce22e35eef08f2c52fbaec34d673308338e4d5dc1f09ecd198365696fa97c3a"),
    ],
)
def test_clips_of_old_splits_are_what_they_were(split: str, sha256: str) -> None:
    """By which everything before splits were added was trained and judged."""
    told = json.dumps([sample_spec(seed, index, split).to_dict() for seed in (0, 1) for index in range(700)])
    assert hashlib.sha256(told.encode()).hexdigest() == sha256


@pytest.mark.parametrize("split", SPLITS)
def test_clips_are_balanced(clips: dict[str, list[ClipSpec]], split: str) -> None:
    specs = clips[split]
    assert {spec.motion.kind for spec in specs[70:77]} == set(DIRECTIONS)
    for kind in DIRECTIONS:  # within a kind, every combination as often as every other, give or take one
        of_kind = [spec for spec in specs if spec.motion.kind == kind]
        often = Counter((s.subjects[0].shape, s.subjects[0].colour, s.motion.direction) for s in of_kind)
        possible = [c for c in _all() if c[2] == kind and is_in(split, *c)]
        assert len(often) == len(possible)
        assert max(often.values()) - min(often.values()) <= 1
    drawn = {
        SPEEDS: [spec.motion.speed for spec in specs],
        PLACES: [spec.background.place for spec in specs],
        tuple(SIZES): [spec.subjects[0].size for spec in specs],
    }
    for values, choices in drawn.items():
        shares = [choices.count(value) / len(choices) * len(values) for value in values]
        assert 0.75 < min(shares) <= max(shares) < 1.25


def test_a_spec_survives_json(clips: dict[str, list[ClipSpec]]) -> None:
    for spec in clips["train"][:70]:
        assert ClipSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("motion", "kind", "teleports"),
        ("motion", "direction", "north"),
        ("motion", "along", 1.0),
        ("background", "place", "moon"),
        ("background", "crop", 99),
        ("motion", "second_colour", "mauve"),
    ],
)
def test_what_the_world_does_not_have_is_named(part: str, name: str, value: object) -> None:
    data = sample_spec(0, 0).to_dict()
    data[part][name] = value
    with pytest.raises(ValueError, match=str(value)):
        ClipSpec.from_dict(data)


def test_there_is_no_clip_of_another_split() -> None:
    with pytest.raises(ValueError, match="'verify'"):
        sample_spec(0, 0, "verify")


def _all() -> set[Combination]:
    return {(shape, colour, *motion) for shape, colour, motion in product(SHAPES, COLOURS, MOTIONS)}
