"""Measures of events on clips whose errors can be written down: real ones, keyframes held, and clips with one fault."""

from collections.abc import Mapping
from functools import cache
from math import pi

import numpy as np
import pytest

from tiny_world.truth.event_measures import EVENT_MEASURES, compare_events, occasions_of
from tiny_world.truth.keyframes import held
from tiny_world.truth.measures import LATEST
from tiny_world.truth.subject import MIN_AREA
from tiny_world.truth.tracker import Track
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.events import course_of, event_of
from tiny_world.world.motion import State, state_of
from tiny_world.world.render import render
from tiny_world.world.spec import EVENTS, SHAPES, SIZES, ClipSpec

NUM_FRAMES, CLIPS = 40, 16
DURATIONS = (1, 2, 4, 8, 16)


def perfect_track(state: State, numbers: np.ndarray) -> Track:
    """The track of a tracker without error, of a clip that shows these frames of a real one."""
    area = np.where(state.area[numbers] < MIN_AREA, 0.0, state.area[numbers])
    centre = np.where((area > 0)[..., None], state.centre[numbers], np.nan)
    nothing = np.zeros((len(numbers), 1))
    visible, overlap = area / (pi * SIZES["small"] ** 2), np.zeros((len(numbers), 1, len(SHAPES)))
    return Track(centre, area, visible, state.colour[numbers], overlap, nothing > 0, nothing[:, 0].astype(int))


@cache
def clip(kind: str, index: int, duration: int) -> tuple[ClipSpec, State, np.ndarray]:
    spec = sample_event(6, index, kind, duration, "held_out")
    return spec, state_of(spec, NUM_FRAMES), render(spec, NUM_FRAMES)


def measured(kind: str, index: int, duration: int, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
    spec, state, frames = clip(kind, index, duration)
    return compare_events(frames[numbers], perfect_track(state, numbers), state, spec)


def seen(kind: str, duration: int, every: int) -> float:
    """The share of events that are seen in keyframes held."""
    numbers = np.arange(NUM_FRAMES) // every * every
    return float(np.concatenate([measured(kind, index, duration, numbers)["seen"] for index in range(CLIPS)]).mean())


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_real_clips_show_every_event_and_have_no_error(kind: str) -> None:
    for duration in DURATIONS:
        for index in range(6):
            found = measured(kind, index, duration, np.arange(NUM_FRAMES))
            assert set(found) == {measure.key for measure in EVENT_MEASURES}
            assert len(found["seen"]) > 0
            assert (found["seen"] == 1).all()
            # A sliver beside a post is under what the tracker finds.
            at_most = 4 if kind == "occlusion" else 0
            assert found["length"].max() <= at_most
            assert found["timing"].max() <= at_most / 2
            for name in ("displacement", "displacement_elsewhere", "presence", "presence_elsewhere"):
                assert found[name].max(initial=0) < 1e-9, name


@pytest.mark.parametrize("kind", sorted(EVENTS))
@pytest.mark.parametrize("every", [4, *(pytest.param(every, marks=pytest.mark.long) for every in (2, 8))])
def test_keyframes_lose_the_events_that_are_shorter_than_their_stride(kind: str, every: int) -> None:
    shares = {duration: seen(kind, duration, every) for duration in DURATIONS}
    shorter = [share for duration, share in shares.items() if duration < every]
    longer = [share for duration, share in shares.items() if duration > every]
    assert min(longer) == 1
    assert max(shorter) < 0.85
    assert shorter[0] < 1.5 / every + (0.2 if kind == "occlusion" else 0)  # about a keyframe in so many falls in one
    assert shorter == sorted(shorter) or max(-np.diff(shorter)) < 0.15  # up to chance


def test_presence_where_nothing_should_be_is_an_error_of_events() -> None:
    spec, state, frames = clip("blink", 0, 4)
    never = frames.copy()
    never[state.event] = frames[0]
    numbers = np.where(state.event, 0, np.arange(NUM_FRAMES))
    found = compare_events(never, perfect_track(state, numbers), state, spec)
    assert (found["presence"] == 1).all()
    assert (found["presence_elsewhere"] == 0).all()
    assert (found["seen"] == 0).all()
    assert (found["timing"] == LATEST).all()
    assert (found["length"] == 4).all()


def test_a_subject_that_is_lost_for_good_has_not_blinked() -> None:
    spec, state, _ = clip("blink", 0, 2)
    first = occasions_of(state, spec)[0].frames.start
    numbers = np.minimum(np.arange(NUM_FRAMES), first)  # the first event's first frame, for ever
    found = measured("blink", 0, 2, numbers)
    assert not found["seen"].any()
    assert (found["presence_elsewhere"] > 0).mean() > 0.5


def test_a_late_event_is_seen_and_so_late() -> None:
    spec, state, _ = clip("turn", 1, 2)
    for late in (1, 2, 3):
        numbers = np.maximum(np.arange(NUM_FRAMES) - late, 0)
        found = measured("turn", 1, 2, numbers)
        events = len(occasions_of(state, spec))
        assert (found["seen"][: events - 1] == 1).all()
        np.testing.assert_allclose(found["timing"][: events - 1], late)
    assert course_of(spec).period > 2 * LATEST or event_of(spec).duration == 2


def test_displacement_counts_from_before_the_event() -> None:
    """A clip that is two pixels off all the time has no error in events; one that never turns has the way of a turn."""
    spec, state, frames = clip("turn", 3, 8)
    off = perfect_track(state, np.arange(NUM_FRAMES))
    off.centre[:, 0, 1] += 2
    found = compare_events(frames, off, state, spec)
    assert found["displacement"].max() < 1e-9
    assert found["displacement_elsewhere"].max() < 1e-9
    straight = perfect_track(state, np.arange(NUM_FRAMES))
    plain = ~state.event
    across = int(np.argmin(np.ptp(state.centre[plain, 0], axis=0)))
    straight.centre[:, 0, across] = state.centre[0, 0, across]
    found = compare_events(frames, straight, state, spec)
    assert found["displacement"].max() == pytest.approx(14 * np.cos(pi / 16), abs=1e-6)
    assert found["displacement_elsewhere"].max() < 1e-9
    assert (found["seen"] == 0).all()


def test_a_faded_subject_is_no_blink() -> None:
    """The tracker does not know it by its colour; the pixels do."""
    spec, state, frames = clip("blink", 2, 4)
    nowhere = perfect_track(state, np.arange(NUM_FRAMES))
    nowhere.area[:] = 0
    nowhere.centre[:] = np.nan
    found = compare_events(frames, nowhere, state, spec)
    assert (found["presence_elsewhere"] == 0).all()
    assert (found["seen"] == 1).all()
    faded = compare_events(held(frames[:1].repeat(NUM_FRAMES, 0), 1), nowhere, state, spec)
    assert (faded["presence"] == 1).all()
    assert (faded["seen"] == 0).all()


def test_a_clip_too_short_for_an_event_has_nothing_to_say_of_events() -> None:
    spec, state, frames = clip("occlusion", 0, 16)
    few = State(**{name: getattr(state, name)[:3] for name in state.__dataclass_fields__})
    found = compare_events(frames[:3], perfect_track(few, np.arange(3)), few, spec)
    assert [len(found[name]) for name in ("seen", "timing", "length", "displacement", "presence")] == [0] * 5
    assert len(found["presence_elsewhere"]) == 2


def test_frames_of_another_clip_are_refused() -> None:
    spec, state, frames = clip("blink", 0, 4)
    with pytest.raises(ValueError, match="39 frames"):
        compare_events(frames[:39], perfect_track(state, np.arange(NUM_FRAMES)), state, spec)
