"""Short events that recur on a subject's way, of `Event.duration` frames each: when, where, and what they do.

    bounce       it strikes a post in mid-picture and is back where it left its pace
    blink        it is unseen while its centre is over a band
    occlusion    it is unseen behind a post
    turn         it swerves aside, away from a wedge on its lane, and is back on the lane

The first frame and the caption tell all of it: the caption the pace, the width of band, post or wedge at that pace the
duration (the post that is struck is two pixels wider than the event has frames), and the subject's place the beginning.
Events begin and end half-way between two frames, so each takes its whole number of frames and is symmetrical in them.
Coordinates `ahead` grow in the direction of heading, from 0 to FRAME_SIZE, whichever way that is.
"""

from dataclasses import dataclass
from math import ceil, floor, pi

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.paths import MARGIN, Path, heading_of, on_axis, path_of, room_of
from tiny_world.world.shapes import offset_of_share, share_beyond
from tiny_world.world.spec import FRAME_SIZE, SIZES, ClipSpec, Event

Array = NDArray[np.float64]

UNSEEN = 0.02  # of a shape, at most, is in view while it is behind a post
STRIKE, SWERVE = 10.0, 14.0  # pixels that a bounce goes to the post, and a turn aside
LAPS = {  # frames that "crosses" takes from edge to edge
    "blink": {"slow": 40, "fast": 20},
    "occlusion": {"slow": 52, "fast": 20},
    "turn": {"slow": 40, "fast": 20},
}
BOUNCE_PACE = {"slow": 1.6, "fast": 3.2}  # pixels a frame
APPROACH = {"slow": (6, 10), "fast": (4, 5)}  # frames from the edge to where a bounce begins, at least and at most
QUIET = 8  # frames between events, at least
LATEST_END = 38  # so that a clip of 40 frames has a whole event, and a frame after it


@dataclass(frozen=True)
class Course:
    """When and where events are.

    Attributes:
        first: frame in which the first one begins.
        period: frames from one's beginning to the next one's.
        pace: pixels a frame, between events.
        begins: `ahead` of the subject's centre half a frame before the first event.
        marks: (from, to) `ahead` of each band, post or wedge, within a FRAME_SIZE of the picture.
    """

    first: int
    period: int
    pace: float
    begins: float
    marks: tuple[tuple[float, float], ...]


def event_of(spec: ClipSpec) -> Event:
    """The event of a clip that has some."""
    assert spec.event is not None  # the caller has seen to it
    return spec.event


def happening(spec: ClipSpec, time: Array) -> NDArray[np.bool_]:
    """(T,) whether an event takes place at times in frames, in a clip with events."""
    return _since(spec, time) < event_of(spec).duration


def event_path(spec: ClipSpec, time: Array) -> Path:
    """The path of a clip with events, at times (T,) in frames."""
    axis, sign = heading_of(spec)
    ahead, pace, turned = _bouncing(spec, time) if spec.motion.kind == "bounces" else _crossing(spec, time)
    aside, aside_pace, swerved = _swerving(spec, time)
    position = ahead if sign > 0 else (FRAME_SIZE - ahead) % FRAME_SIZE
    centre = on_axis(axis, position, lane_of_events(spec) + aside)
    return path_of(spec, centre, velocity=on_axis(axis, sign * pace, aside_pace), turned=turned | swerved)


def event_visibility(spec: ClipSpec, time: Array) -> Array:
    """(T,) the share of the subject that can be seen, at times in frames."""
    event, course = event_of(spec), course_of(spec)
    if event.kind == "blink":
        return 1 - happening(spec, time).astype(np.float64)
    if event.kind != "occlusion":
        return np.ones(len(time))
    subject, (start, end) = spec.subjects[0], course.marks[0]
    ahead, _, _ = _crossing(spec, time)
    offset = (ahead - (start + end) / 2 + FRAME_SIZE / 2) % FRAME_SIZE - FRAME_SIZE / 2
    edges = ((side * (end - start) / 2 - offset) / SIZES[subject.size] for side in (-1, 1))
    before, after = (share_beyond(subject.shape, edge) for edge in edges)
    return 1 - (before - after)


def lane_of_events(spec: ClipSpec) -> float:
    """The coordinate across the heading, between events; of "turn" in one of the outer parts of the picture."""
    axis, _ = heading_of(spec)
    low, high = room_of(spec, 1 - axis)
    share = spec.motion.across
    if event_of(spec).kind == "turn":
        share = 0.8 * share + (0 if share < 0.5 else 0.2)
    return low + share * (high - low)


def course_of(spec: ClipSpec) -> Course:
    """When and where a clip's events are, by its spec alone."""
    return _bounce_course(spec) if spec.motion.kind == "bounces" else _crossing_course(spec)


def _crossing_course(spec: ClipSpec) -> Course:
    event = event_of(spec)
    lap = LAPS[event.kind][spec.motion.speed]
    marks = 2 if event.kind != "occlusion" and event.duration <= lap // 2 - QUIET else 1
    pace, period = FRAME_SIZE / lap, lap // marks
    behind, ahead, low, high = _reaches(spec)
    hidden = _hidden_reach(spec)
    half = hidden + pace * event.duration / 2  # of a mark's width
    clear = (hidden + max(behind, ahead)) / pace if hidden else 1.5  # frames around an event, until all is in view
    room = (FRAME_SIZE - MARGIN - half - low) / pace - (event.duration - 1) / 2  # frames, for the mark to be whole
    earliest = ceil(clear + 0.5)
    latest = floor(min(period - event.duration + 0.5 - clear, room, LATEST_END - event.duration))
    first = _pick(spec.motion.along, earliest, latest)
    to_middle = pace * (first + (event.duration - 1) / 2)
    start = low + event.at * (min(high, FRAME_SIZE - MARGIN - half - to_middle) - low)
    middles = [start + to_middle + number * FRAME_SIZE / marks for number in range(marks)]
    begins = start + pace * (first - 0.5)
    return Course(first, period, pace, begins, tuple((middle - half, middle + half) for middle in middles))


def _bounce_course(spec: ClipSpec) -> Course:
    event, pace = event_of(spec), BOUNCE_PACE[spec.motion.speed]
    _, ahead, low, _ = _reaches(spec)
    width = event.duration + 2.0
    fewest, most = APPROACH[spec.motion.speed]
    room = floor((FRAME_SIZE - width - STRIKE - ahead - low) / pace)
    frames = _pick(event.at, fewest, min(most, room))
    begins = low + pace * frames
    face = begins + STRIKE + ahead
    first = _pick(spec.motion.along, 2, frames)
    return Course(first, event.duration + 2 * frames, pace, begins, ((face, face + width),))


def _crossing(spec: ClipSpec, time: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """`ahead`, its rate and turns of what goes on for ever."""
    course = course_of(spec)
    ahead = (course.begins + course.pace * (time - course.first + 0.5)) % FRAME_SIZE
    return ahead, np.full_like(time, course.pace), np.zeros(len(time), np.bool_)


def _bouncing(spec: ClipSpec, time: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """`ahead`, its rate and turns of what goes between an edge and a post."""
    course, duration = course_of(spec), event_of(spec).duration
    since = _since(spec, time)
    back = (course.period + duration) / 2  # when it is at the edge
    striking, away = since < duration, np.minimum(since - duration, course.period - since)
    strike, strike_pace = _excursion(since, duration, STRIKE)
    ahead = course.begins + np.where(striking, strike, -course.pace * away)
    pace = np.where(striking, strike_pace, np.where(since < back, -course.pace, course.pace))
    return ahead, pace, _passes(spec, time, duration / 2) | _passes(spec, time, back)


def _swerving(spec: ClipSpec, time: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Pixels aside of its lane, the rate of that, and turns."""
    event = event_of(spec)
    if event.kind != "turn":
        return np.zeros_like(time), np.zeros_like(time), np.zeros(len(time), np.bool_)
    since = _since(spec, time)
    inside, sign = since < event.duration, 1 if spec.motion.across < 0.5 else -1
    offset, pace = _excursion(since, event.duration, sign * SWERVE)
    return np.where(inside, offset, 0.0), np.where(inside, pace, 0.0), _passes(spec, time, event.duration / 2)


def _excursion(since: Array, duration: int, size: float) -> tuple[Array, Array]:
    """Out and back within `duration` frames, half a wave: how far, and the rate."""
    angle = pi * since / duration
    return size * np.sin(angle), size * pi / duration * np.cos(angle)


def _passes(spec: ClipSpec, time: Array, since: float) -> NDArray[np.bool_]:
    """(T,) the first frames that are not before `since` frames after the beginning of an event."""
    course = course_of(spec)
    lap = np.floor((time - course.first + 0.5 - since) / course.period)
    return np.diff(lap, prepend=lap[:1]) > 0


def _since(spec: ClipSpec, time: Array) -> Array:
    """(T,) frames since an event began, in [0, period)."""
    course = course_of(spec)
    return (time - course.first + 0.5) % course.period


def _hidden_reach(spec: ClipSpec) -> float:
    """Pixels from a shape's centre to where all but UNSEEN of it ends; 0 where nothing has to be hidden."""
    if event_of(spec).kind != "occlusion":
        return 0.0
    subject = spec.subjects[0]
    return offset_of_share(subject.shape, UNSEEN) * SIZES[subject.size]


def _reaches(spec: ClipSpec) -> tuple[float, float, float, float]:
    """Pixels from the centre to the shape's end behind and ahead, and the lowest and highest `ahead` in the picture."""
    axis, sign = heading_of(spec)
    low, high = room_of(spec, axis)
    ends = low - MARGIN, FRAME_SIZE - MARGIN - high
    if sign < 0:
        low, high, ends = FRAME_SIZE - high, FRAME_SIZE - low, ends[::-1]
    return *ends, low, high


def _pick(share: float, lowest: int, highest: int) -> int:
    """One of the whole numbers, by a share in [0, 1)."""
    return lowest + floor(share * (highest - lowest + 1))
