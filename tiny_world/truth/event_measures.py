"""Distances of a clip with events from the truth, in the frames of events and in the others.

An event is seen if the clip shows it at all, near its time and with an end: a subject that is lost and stays lost has
not blinked. Displacement is counted from the last whole view before an event, so that what was wrong before it is none
of its errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiny_world.truth.measures import GONE, LATEST, WHOLE
from tiny_world.truth.presence import presence
from tiny_world.truth.tracker import Track
from tiny_world.world.events import course_of, event_of, lane_of_events
from tiny_world.world.motion import State
from tiny_world.world.paths import heading_of
from tiny_world.world.render import wrapped_axis
from tiny_world.world.spec import FRAME_SIZE, ClipSpec

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

PRESENT = 0.15  # of a whole subject, in part or faded: less is none
OUT = 0.6  # of an event's way; half of it would be met to the pixel by one of three frames


@dataclass(frozen=True)
class EventMeasure:
    """A measure's name, unit and better end, and its `key` in what `compare_events` returns."""

    key: str
    name: str
    unit: str
    better: str


EVENT_MEASURES = (
    EventMeasure("seen", "events seen", "share", "higher"),
    EventMeasure("timing", "timing error of events", "frames", "lower"),
    EventMeasure("length", "length error of events", "frames", "lower"),
    EventMeasure("displacement", "displacement error in events", "pixels", "lower"),
    EventMeasure("displacement_elsewhere", "displacement error elsewhere", "pixels", "lower"),
    EventMeasure("presence", "presence error in events", "share", "lower"),
    EventMeasure("presence_elsewhere", "presence error elsewhere", "share", "lower"),
)


@dataclass(frozen=True)
class Occasion:
    """One event of a clip, by ranges of frames.

    Attributes:
        frames: of the event.
        around: where it is looked for: LATEST frames more to either side, or half-way to the next event.
        free: from the end of the event before to the beginning of the next one.
    """

    frames: range
    around: range
    free: range


def compare_events(frames: NDArray[np.uint8], track: Track, state: State, spec: ClipSpec) -> Mapping[str, Array]:
    """Measures a clip with events, and its track, against the truth of the same frames.

    A subject is found where the tracker finds it, and where it is there in part, as one that was faded.

    Args:
        frames: uint8 (T, FRAME_SIZE, FRAME_SIZE, 3), RGB.

    Returns:
        the values by `EventMeasure.key`; any number of each, without NaN.

        seen: (events,) 1 or 0. An event of "blink" and "occlusion" is shown by frames in which the subject is not
            found, one of "bounce" and "turn" by frames in which it is OUT of the way out or more. It is seen if such
            frames in a row are `around` it, and others before and after them, in its `free` frames, that show the
            subject and do not show the event (after them, unless the clip ends within LATEST frames).
        timing: (events,) frames from the middle of those to the true one's, LATEST if it is not seen, and at most.
        length: (events,) frames that show it, too many or too few.
        displacement, displacement_elsewhere: pixels between the displacement and the true one. In an event, and in the
            first whole view after it, it counts from the last whole view before it; elsewhere from the first since.
        presence, presence_elsewhere: 1 where the subject is found and cannot be seen or the other way round, else 0.

    Raises:
        ValueError: they are not of one clip's length.
    """
    if not len(frames) == len(track.area) == len(state.area):
        raise ValueError(
            f"There are {len(frames)} frames, a track of {len(track.area)} and a truth of {len(state.area)}: "
            "give one clip's."
        )
    found = track.found[:, 0] | (presence(frames, spec) >= PRESENT)
    occasions = occasions_of(state, spec)
    shown, truly_shown = _shown(track, found, state, spec)
    at_rest = ~shown & (found if _is_hiding(spec) else track.found[:, 0])
    told = [_told(one, shown, truly_shown, at_rest) for one in occasions]
    seen, timing, length = (np.array(values, np.float64) for values in (zip(*told, strict=True) if told else ((),) * 3))
    visible = state.visible[:, 0]
    clear = (visible > 0.5) | (visible < GONE)
    wrong = (found != (visible > 0.5)).astype(np.float64)
    errors = _displacement_errors(track, state, spec, occasions)
    return {
        "seen": seen,
        "timing": timing,
        "length": length,
        "displacement": errors[0],
        "displacement_elsewhere": errors[1],
        "presence": wrong[clear & state.event],
        "presence_elsewhere": wrong[clear & ~state.event][1:],  # the first frame is given
    }


def occasions_of(state: State, spec: ClipSpec) -> list[Occasion]:
    """The events of a clip that are over before it ends."""
    num_frames = len(state.event)
    runs = _runs(state.event)
    starts, ends = [*(run.start for run in runs), num_frames], [0, *(run.stop for run in runs)]
    quiet = course_of(spec).period - event_of(spec).duration
    reach = min(LATEST, quiet // 2)
    return [
        Occasion(
            frames=range(start, end),
            around=range(max(start - reach, 0), min(end + reach, num_frames)),
            free=range(before, after),
        )
        for before, start, end, after in zip(ends, starts, ends[1:], starts[1:], strict=False)
        if end < num_frames
    ]


def _told(one: Occasion, shown: Flags, truly_shown: Flags, at_rest: Flags) -> tuple[bool, float, float]:
    """Judges one event: whether it is seen, its error in time, and in length."""
    true = next(run for run in _runs(truly_shown) if run.start in one.frames)
    late = one.free.stop == len(at_rest) and one.free.stop - one.frames.stop <= LATEST
    errors = [
        (abs(_middle(run) - _middle(true)), abs(len(run) - len(true)))
        for run in _runs(shown)
        if one.around.start <= _middle(run) < one.around.stop
        and at_rest[one.free.start : run.start].any()
        and (late or at_rest[run.stop : one.free.stop].any())
    ]
    if not errors:
        return False, float(LATEST), float(len(true))
    timing, length = min(errors)
    return True, min(timing, LATEST), float(length)


def _runs(flags: Flags) -> list[range]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int64), prepend=0, append=0)).tolist()
    return [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _middle(run: range) -> float:
    return (run.start + run.stop - 1) / 2


def _shown(track: Track, found: Flags, state: State, spec: ClipSpec) -> tuple[Flags, Flags]:
    """(T,) the frames that show an event, in a clip and in truth."""
    if _is_hiding(spec):
        return ~found, state.event
    ways = [_way_out(centre[:, 0], spec) for centre in (track.centre, state.centre)]
    least = OUT * ways[1][state.event].max(initial=0)
    shown, truly_shown = (np.nan_to_num(way, nan=-np.inf) >= least for way in ways)
    return shown, state.event & truly_shown


def _is_hiding(spec: ClipSpec) -> bool:
    return event_of(spec).kind in ("blink", "occlusion")


def _way_out(centre: Array, spec: ClipSpec) -> Array:
    """(T,) pixels from where a bounce or turn begins, towards where it goes, of centres (T, 2)."""
    axis, sign = heading_of(spec)
    if event_of(spec).kind == "turn":
        return (centre[:, 1 - axis] - lane_of_events(spec)) * (1 if spec.motion.across < 0.5 else -1)
    return (centre[:, axis] if sign > 0 else FRAME_SIZE - centre[:, axis]) - course_of(spec).begins


def _displacement_errors(track: Track, state: State, spec: ClipSpec, occasions: Sequence[Occasion]) -> list[Array]:
    """In events and elsewhere, of the frames in which the whole subject can be seen and is found."""
    whole = state.visible[:, 0] > WHOLE
    offset = track.centre[:, 0] - state.centre[:, 0]
    in_events, elsewhere = [np.zeros(0)], [np.zeros(0)]
    begin = 0
    for one in (*occasions, None):
        end = one.frames.start if one else len(whole)
        views = begin + np.flatnonzero((whole & ~state.event)[begin:end])
        elsewhere.append(_apart(offset[views[1:]], offset[views[:1]], spec))
        if one:
            begin = one.frames.stop
            after = begin + np.flatnonzero(whole[begin:])[:1]
            frames = [*(t for t in one.frames if whole[t]), *after]
            in_events.append(_apart(offset[frames], offset[views[-1:]], spec))
    return [np.concatenate(errors) for errors in (in_events, elsewhere)]


def _apart(offset: Array, anchor: Array, spec: ClipSpec) -> Array:
    """Pixels between the offsets (n, 2) of some frames and that of one (1, 2), of those that are known."""
    gap, wrapped = offset - anchor if len(anchor) else offset[:0], wrapped_axis(spec)
    if wrapped is not None:
        gap[:, wrapped] = (gap[:, wrapped] + FRAME_SIZE / 2) % FRAME_SIZE - FRAME_SIZE / 2
    distance = np.linalg.norm(gap, axis=1)
    return distance[np.isfinite(distance)]
