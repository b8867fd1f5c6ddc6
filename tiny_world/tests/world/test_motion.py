"""The rules: longer than eight frames, told by the first frame and the spec, and what the state says of them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tiny_world.world.motion import State, state_of
from tiny_world.world.sampler import sample_spec
from tiny_world.world.shapes import REACH
from tiny_world.world.spec import DIRECTIONS, FRAME_SIZE, ClipSpec

SPECS = [sample_spec(2, index) for index in range(210)]


def of_kind(kind: str) -> list[ClipSpec]:
    return [spec for spec in SPECS if spec.motion.kind == kind]


def period(spec: ClipSpec) -> int:
    """Frames until the state first comes back to the first one, by looking."""
    long = state_of(spec, 200)
    now = np.concatenate([long.centre, long.velocity * 4, long.radius[..., None] * 4, long.colour / 4], axis=-1)
    # At a turn the pace is the one after it, so the first frame to compare with is one in mid-way.
    start = next(t for t in range(12) if not long.turned[t : t + 2].any())
    distance = np.abs(now[start:] - now[start]).sum(axis=(1, 2))
    away = int(np.argmax(distance > 12))
    back = away + int(np.argmax(distance[away:] < 6))
    return back + int(np.argmin(distance[back : back + 4]))


@pytest.mark.parametrize("kind", sorted(DIRECTIONS))
def test_no_rule_is_over_within_eight_frames(kind: str) -> None:
    periods = [period(spec) for spec in of_kind(kind)]
    assert min(periods) > 16
    assert max(periods) < 80


@pytest.mark.parametrize("kind", sorted(DIRECTIONS))
def test_eight_frames_show_the_motion(kind: str) -> None:
    """Some pixels, a fifth of a colour or a third of an area: what a model of eight frames can learn to begin."""
    for spec in of_kind(kind):
        state = state_of(spec, 8)
        way = np.abs(np.diff(state.centre, axis=0)).sum()
        recoloured = np.linalg.norm(state.colour[-1] - state.colour[0])
        grown = abs(np.diff(state.radius[[0, 4, 7], 0])).sum()
        assert way > 5 or recoloured > 30 or grown > 1


@pytest.mark.parametrize("kind", sorted(DIRECTIONS))
def test_forty_frames_show_what_eight_cannot(kind: str) -> None:
    """A turn, a return or a way round, in nearly all clips."""
    unfolded = [state_of(spec, 40) for spec in of_kind(kind)]
    if kind == "crosses":
        happened = [np.abs(np.diff(state.centre, axis=0)).max() > FRAME_SIZE / 2 for state in unfolded]
    elif kind == "orbits":  # half a turn: beyond it, the way from the first frame's place grows shorter
        happened = [np.argmax(np.linalg.norm(s.centre[:, 0] - s.centre[0, 0], axis=1)) < 39 for s in unfolded]
    else:
        happened = [bool(state.turned.any()) for state in unfolded]
    assert np.mean(happened) > 0.85


@pytest.mark.parametrize("kind", ["bounces", "orbits", "pulses", "recolours", "meets"])
def test_subjects_stay_in_the_picture(kind: str) -> None:
    for spec in of_kind(kind):
        state = state_of(spec, 120)
        for which, subject in enumerate(spec.subjects):
            side, up, down = np.array(REACH[subject.shape])[:, None] * state.radius[:, which]
            x, y = state.centre[:, which].T
            room = np.stack([x - side, FRAME_SIZE - x - side, y - up, FRAME_SIZE - y - down])
            assert room.min() > 0.99


@pytest.mark.parametrize("kind", ["crosses", "hides"])
def test_the_first_frame_has_the_whole_subject(kind: str) -> None:
    for spec in of_kind(kind):
        state, reach = state_of(spec, 1), REACH[spec.subjects[0].shape]
        side, up, down = np.array(reach) * state.radius[0, 0]
        x, y = state.centre[0, 0]
        assert min(x - side, FRAME_SIZE - x - side, y - up, FRAME_SIZE - y - down) > 0.99
        assert state.visible[0, 0] == pytest.approx(1)


def test_what_hides_is_gone_for_some_frames_and_returns() -> None:
    for spec in of_kind("hides"):
        visible = state_of(spec, 70).visible[:, 0]
        gone = np.flatnonzero(visible < 0.001)
        first, returned = gone[0], gone[0] + int(np.argmax(visible[gone[0] :] > 0.001))
        assert returned - first >= 3
        assert visible[first:].max() > 0.999
        assert visible.max() <= 1


def test_those_that_meet_touch_and_part() -> None:
    for spec in of_kind("meets"):
        state = state_of(spec, 100)
        left, right = (REACH[s.shape][0] * state.radius[0, which] for which, s in enumerate(spec.subjects))
        gap = state.centre[:, 1, 0] - right - state.centre[:, 0, 0] - left
        assert -1e-9 < gap.min() < 3.5  # two paces a frame, and between frames they touch
        assert gap.max() > 20


def test_the_direction_is_the_one_told() -> None:
    signs = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}
    for spec in SPECS:
        state, direction = state_of(spec, 40), spec.motion.direction
        if direction in signs:
            axis, sign = signs[direction]
            assert state.velocity[0, 0, axis] * sign > 0
            assert state.velocity[0, 0, 1 - axis] == 0
        elif spec.motion.kind == "orbits":
            outward, onward = state.centre[:, 0] - FRAME_SIZE / 2, state.velocity[:, 0]
            turning = outward[:, 0] * onward[:, 1] - outward[:, 1] * onward[:, 0]  # y is down: clockwise if > 0
            assert ((turning > 0) == (direction == "clockwise")).all()
        elif spec.motion.kind == "pulses":
            assert (state.radius[1, 0] > state.radius[0, 0]) == (direction == "grows")


def test_velocity_is_the_rate_of_change_of_place() -> None:
    for spec in SPECS:
        state = state_of(spec, 40)
        step = np.diff(state.centre, axis=0)
        step = (step + FRAME_SIZE / 2) % FRAME_SIZE - FRAME_SIZE / 2
        mean = (state.velocity[1:] + state.velocity[:-1]) / 2
        smooth = ~state.turned[1:]
        np.testing.assert_allclose(step[smooth], mean[smooth], atol=0.05)


def test_a_longer_clip_begins_like_a_shorter_one() -> None:
    for spec in SPECS[:35]:
        short, long = state_of(spec, 8), state_of(spec, 40)
        for field in fields(State):
            np.testing.assert_array_equal(getattr(long, field.name)[:8], getattr(short, field.name))


def test_fast_is_about_twice_slow() -> None:
    for kind in ("crosses", "bounces", "orbits", "meets"):
        pace = {}
        for speed in ("slow", "fast"):
            spec = of_kind(kind)[0]
            state = state_of(replace(spec, motion=replace(spec.motion, speed=speed)), 2)
            pace[speed] = np.linalg.norm(state.velocity[0, 0])
        assert 1.8 < pace["fast"] / pace["slow"] < 2.2


def test_a_state_survives_json() -> None:
    state = state_of(SPECS[3], 40)
    again = State.from_dict(state.to_dict())
    for field in fields(State):
        np.testing.assert_allclose(getattr(again, field.name), getattr(state, field.name), atol=1e-4)
        assert getattr(again, field.name).dtype == getattr(state, field.name).dtype
