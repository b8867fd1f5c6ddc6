"""Events: as many frames as their dial says, where the marks are, and done by rules that can be written down twice."""

from dataclasses import replace
from math import pi, sin

import numpy as np
import pytest

from tiny_world.world.event_sampler import sample_event
from tiny_world.world.events import QUIET, STRIKE, SWERVE, UNSEEN, course_of, event_of, event_path, lane_of_events
from tiny_world.world.motion import State, state_of
from tiny_world.world.paths import MARGIN, heading_of
from tiny_world.world.sampler import SPLITS
from tiny_world.world.shapes import REACH
from tiny_world.world.spec import EVENTS, FRAME_SIZE, LONGEST, SIZES, ClipSpec

DURATIONS = (1, 2, 3, 5, 7, 10, 11, 15, 20)


def clips(kind: str, durations: tuple[int, ...] = DURATIONS) -> list[ClipSpec]:
    return [sample_event(1, index, kind, d, split) for d in durations for split in SPLITS for index in range(12)]


def runs(state: State) -> list[tuple[int, int]]:
    """Beginning and end of each event that is over before the clip."""
    edges = np.flatnonzero(np.diff(state.event.astype(int), prepend=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=False))


def ahead_of(spec: ClipSpec, state: State) -> np.ndarray:
    axis, sign = heading_of(spec)
    return state.centre[:, 0, axis] if sign > 0 else FRAME_SIZE - state.centre[:, 0, axis]


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_an_event_has_its_frames_and_comes_again(kind: str) -> None:
    for spec in clips(kind, tuple(range(1, 21))):
        state = state_of(spec, 40)
        begun = [start for start, _ in runs(state)]
        assert begun, "no event is over within 40 frames"
        assert {end - start for start, end in runs(state)} == {event_of(spec).duration}
        assert set(np.diff(begun)) <= {course_of(spec).period}
        assert course_of(spec).period - event_of(spec).duration >= QUIET
        assert not state.event[:2].any()
        longer = state_of(spec, 120).event
        np.testing.assert_array_equal(longer[:40], state.event)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_short_events_come_more_often(kind: str) -> None:
    means = [np.mean([len(runs(state_of(spec, 40))) for spec in clips(kind, (d,))]) for d in (1, 6, 20)]
    assert means[0] >= means[1] >= means[2] >= 1
    assert means[0] >= 1.4


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_the_first_frame_has_the_whole_subject(kind: str) -> None:
    for spec in clips(kind, tuple(range(1, 21))):
        state = state_of(spec, 1)
        side, up, down = np.array(REACH[spec.subjects[0].shape]) * SIZES["small"]
        x, y = state.centre[0, 0]
        assert min(x - side, FRAME_SIZE - x - side, y - up, FRAME_SIZE - y - down) > MARGIN - 1e-6
        assert state.visible[0, 0] > 0.999


@pytest.mark.parametrize("kind", ["blink", "occlusion"])
def test_nothing_is_seen_in_its_frames_and_in_no_others(kind: str) -> None:
    for spec in clips(kind):
        state = state_of(spec, 60)
        assert state.visible[state.event].max() <= UNSEEN
        assert state.visible[~state.event].min() > (0.999 if kind == "blink" else UNSEEN)


def test_a_blink_lasts_while_the_centre_is_over_a_band() -> None:
    for spec in clips("blink"):
        state, course = state_of(spec, 60), course_of(spec)
        ahead = ahead_of(spec, state)
        over = np.zeros(60, np.bool_)
        for start, end in course.marks:
            assert end - start == pytest.approx(course.pace * event_of(spec).duration)
            over |= (ahead - start) % FRAME_SIZE < end - start
        np.testing.assert_array_equal(over, state.event)


def test_what_is_hidden_is_between_the_post_s_edges() -> None:
    for spec in clips("occlusion"):
        state, ((start, end),) = state_of(spec, 60), course_of(spec).marks
        assert MARGIN - 1e-6 <= start < end <= FRAME_SIZE - MARGIN + 1e-6
        ahead, side = ahead_of(spec, state), REACH[spec.subjects[0].shape][0] * SIZES["small"]
        behind = (ahead - side >= start) & (ahead + side <= end)
        apart = (ahead + side <= start) & (ahead - side >= 0)
        assert state.visible[behind, 0].max(initial=0) < 1e-3
        assert state.visible[apart, 0].min() > 0.999
        assert state.event[behind].all()


def test_a_bounce_strikes_its_post_and_is_back() -> None:
    for spec in clips("bounce"):
        state, course, duration = state_of(spec, 40), course_of(spec), event_of(spec).duration
        ahead = ahead_of(spec, state)
        (face, end) = course.marks[0]
        assert end - face == pytest.approx(duration + 2)
        assert FRAME_SIZE / 2 < face < end <= FRAME_SIZE
        side, up, down = np.array(REACH[spec.subjects[0].shape]) * SIZES["small"]
        reach = {"right": side, "left": side, "down": down, "up": up}[spec.motion.direction]
        assert course.begins + STRIKE + reach == pytest.approx(face)
        for start, _ in runs(state):
            out = [STRIKE * sin(pi * (frame + 0.5) / duration) for frame in range(duration)]
            np.testing.assert_allclose(ahead[start : start + duration], course.begins + np.array(out), atol=1e-9)
            assert state.turned[start + (duration + 1) // 2 - (duration % 2), 0]
        quiet = ~state.event
        assert (ahead[quiet] < course.begins).all()
        steps = np.abs(np.diff(ahead))[quiet[1:] & quiet[:-1] & ~state.turned[1:, 0]]
        np.testing.assert_allclose(steps, course.pace, atol=1e-9)


def test_a_turn_swerves_away_from_its_wedge_and_comes_back_to_its_lane() -> None:
    for spec in clips("turn"):
        state, duration = state_of(spec, 40), event_of(spec).duration
        axis, _ = heading_of(spec)
        lane = lane_of_events(spec)
        aside = state.centre[:, 0, 1 - axis] - lane
        assert not aside[~state.event].any()
        away = 1 if lane < FRAME_SIZE / 2 else -1
        for start, _ in runs(state):
            out = [SWERVE * sin(pi * (frame + 0.5) / duration) for frame in range(duration)]
            np.testing.assert_allclose(away * aside[start : start + duration], out, atol=1e-9)
        onward = np.diff(ahead_of(spec, state)) % FRAME_SIZE
        np.testing.assert_allclose(onward, course_of(spec).pace, atol=1e-9)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_velocity_is_the_rate_of_change_of_place(kind: str) -> None:
    """Of the closed form in between frames, where no event begins or ends and nothing turns."""
    for spec in clips(kind, (3, 8, 20)):
        time, small = np.arange(40, dtype=np.float64) + 0.2, 1e-4
        before, after = event_path(spec, time), event_path(spec, time + small)
        rate = (after.centre - before.centre) / small
        np.testing.assert_allclose(rate, before.velocity, atol=0.01)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_speed_place_and_mark_tell_when_an_event_comes(kind: str) -> None:
    """A second clip with the same first frame and speed has the same events: nothing is drawn besides."""
    for spec in clips(kind, (2, 7)):
        other = replace(spec, paraphrase=spec.paraphrase + 1)
        np.testing.assert_array_equal(state_of(spec, 80).event, state_of(other, 80).event)
        course, duration = course_of(spec), event_of(spec).duration
        start, end = course.marks[0]
        first = ahead_of(spec, state_of(spec, 1))[0]
        to_event = (course.begins - first) / course.pace + 0.5
        assert to_event == pytest.approx(course.first)
        if kind in ("blink", "turn"):
            assert (end - start) / course.pace == pytest.approx(duration)
            assert (start - first) / course.pace + 0.5 == pytest.approx(course.first)


def test_every_speed_has_room_up_to_its_longest_event() -> None:
    for kind, longest in LONGEST.items():
        for speed, duration in longest.items():
            spec = next(s for s in (sample_event(0, i, kind, duration) for i in range(99)) if s.motion.speed == speed)
            assert runs(state_of(spec, 40))
