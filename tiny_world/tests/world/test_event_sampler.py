"""Clips with events: a pure function, balanced, split as all others, and one clip at all durations but for the dial."""

from collections import Counter
from dataclasses import replace

import pytest

from tiny_world.world.event_sampler import sample_event
from tiny_world.world.sampler import SPLITS, is_in, sample_spec
from tiny_world.world.spec import EVENTS, LONGEST, SPEEDS, ClipSpec, event_directions, speeds_for


def combination(spec: ClipSpec) -> tuple[str, str, str, str]:
    return spec.subjects[0].shape, spec.subjects[0].colour, spec.motion.kind, spec.motion.direction


def test_a_clip_is_a_function_of_its_arguments() -> None:
    clip = sample_event(3, 17, "blink", 4, "train")
    assert clip == sample_event(3, 17, "blink", 4, "train")
    others = [sample_event(4, 17, "blink", 4), sample_event(3, 18, "blink", 4), sample_event(3, 17, "blink", 4, "seen")]
    assert len({clip, *others, sample_event(3, 17, "turn", 4), sample_event(3, 17, "blink", 5)}) == 6


@pytest.mark.parametrize("kind", sorted(EVENTS))
@pytest.mark.parametrize("split", SPLITS)
def test_combinations_are_those_of_the_split_and_come_in_turn(kind: str, split: str) -> None:
    possible = 5 * 6 * len(event_directions(kind))
    found = Counter(combination(sample_event(0, index, kind, 3, split)) for index in range(possible))
    assert all(is_in(split, *one) for one in found)
    assert max(found.values()) - min(found.values()) <= 1
    assert {one[3] for one in found} == set(event_directions(kind))


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_a_number_is_one_clip_at_every_duration(kind: str) -> None:
    for index in range(20):
        clips = [sample_event(0, index, kind, duration) for duration in range(1, 21)]
        alike = {replace(c, event=None, motion=replace(c.motion, speed="slow")) for c in clips}
        assert len(alike) == 1
        assert all(clip.motion.speed in speeds_for(kind, clip.event.duration) for clip in clips if clip.event)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_both_speeds_are_drawn_where_both_have_room(kind: str) -> None:
    speeds = Counter(sample_event(0, index, kind, 3).motion.speed for index in range(200))
    assert min(speeds[speed] for speed in SPEEDS) > 70
    assert {sample_event(0, index, kind, 20).motion.speed for index in range(40)} == set(speeds_for(kind, 20))


def test_a_spec_survives_json_and_one_without_events_says_nothing_of_them() -> None:
    spec = sample_event(0, 3, "occlusion", 2)
    assert ClipSpec.from_dict(spec.to_dict()) == spec
    assert spec.to_dict()["event"] == {"kind": "occlusion", "duration": 2, "at": spec.event.at if spec.event else None}
    assert "event" not in sample_spec(0, 3).to_dict()


@pytest.mark.parametrize(
    ("event", "duration", "said"),
    [("sneeze", 3, "sneeze"), ("blink", 0, "0"), ("turn", 21, "21")],
)
def test_events_that_there_are_not_are_named(event: str, duration: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sample_event(0, 0, event, duration)
    with pytest.raises(ValueError, match="seed, index and split"):
        sample_event(0, -1, "blink", 3)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("motion", "speed", "fast"),
        ("motion", "direction", "up"),
        ("motion", "kind", "bounces"),
        ("event", "at", 1.5),
        ("event", "duration", 21),
        ("event", "kind", "sneeze"),
    ],
)
def test_what_has_no_room_or_is_not_of_the_world_is_named(part: str, name: str, value: object) -> None:
    data = sample_event(0, 0, "occlusion", LONGEST["occlusion"]["slow"]).to_dict()
    data[part][name] = value
    with pytest.raises(ValueError, match=str(value)):
        ClipSpec.from_dict(data)


def test_only_small_subjects_have_events() -> None:
    data = sample_event(0, 0, "bounce", 3).to_dict()
    data["subjects"][0]["size"] = "large"
    with pytest.raises(ValueError, match="large"):
        ClipSpec.from_dict(data)
