"""Distances of a clip from the truth, frame by frame: the curves by which clips of a known world are judged.

A trajectory's error alone is no judge: it grows as large for a subject that freezes as for one that moves a little too
fast. So there is one curve a property, by the number of frames since the first, and one figure for the timing of turns.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from tiny_world.truth.tracker import Track
from tiny_world.world.motion import State
from tiny_world.world.render import wrapped_axis
from tiny_world.world.spec import COLOURS, FRAME_SIZE, SHAPES, ClipSpec

Array = NDArray[np.float64]

WHOLE, GONE = 0.98, 0.02  # of a shape in view: above and below, place and presence are beyond doubt
LATEST = 8  # frames: a turn that was not found, or later than that, counts as so late
MIN_TURN = {"bounces": 3.0, "meets": 3.0, "pulses": 0.8, "recolours": 0.15}  # pixels, pixels of radius, share of way


@dataclass(frozen=True)
class TruthMeasures:
    """Curves of (T,) over a clip's frames, means over its subjects; NaN where a frame has nothing to say.

    Attributes:
        displacement: pixels from the first frame's place, by the way gone where edges are joined.
        true_displacement: of the truth, in the same frames; a model that freezes falls short of it.
        trajectory_error: pixels between place and true place.
        velocity_error: pixels a frame, between the steps since the frame before and the true ones.
        area_ratio: area over true area, in frames where nothing is hidden.
        permanence: 1 where a subject is found that can be seen, or none that cannot; else 0.
        colour_error: RGB distance, 0 to 442.
        shape_right: 1 where the true shape fits best, else 0, in frames where nothing is hidden.
        shape_overlap: intersection over union with the true shape at the same place and area, likewise.
        censored: 1 where a subject that can be seen is not found, and so has no place, area, colour or shape; else 0.
        recoloured: 1 where a subject is found in a colour that is not its own, 0 where in its own.
        extra_bodies: bodies besides the subjects; a second copy of one is one.
        judged_right: 1 where every subject that can be seen is there once, in its colour and shape, and nothing else
            is; 0 where not; NaN in frames where presence is in doubt.
    """

    displacement: Array
    true_displacement: Array
    trajectory_error: Array
    velocity_error: Array
    area_ratio: Array
    permanence: Array
    colour_error: Array
    shape_right: Array
    shape_overlap: Array
    censored: Array
    recoloured: Array
    extra_bodies: Array
    judged_right: Array


@dataclass(frozen=True)
class TurnTiming:
    """Frames at which something turned back (for "hides": went out of sight or came back), and how late that was found.

    `error` is the mean over the true turns of the frames to the nearest one found, LATEST at most; NaN without any.
    """

    true: tuple[int, ...]
    found: tuple[int, ...]
    error: float


def compare(track: Track, state: State, spec: ClipSpec) -> TruthMeasures:
    """Measures a track against the truth of the same frames.

    Raises:
        ValueError: they are not of one clip's length and number of subjects.
    """
    if track.area.shape != state.area.shape:
        raise ValueError(
            f"The track is of {track.area.shape} frames and subjects, the truth of {state.area.shape}: give one clip's."
        )
    wrapped = wrapped_axis(spec)
    whole = (state.visible > WHOLE) & track.found
    seen, true = (np.where(whole[..., None], centre, np.nan) for centre in (track.centre, state.centre))
    offset = _short_way(seen - true, wrapped)
    way, true_way = (_way_gone(centre, wrapped) for centre in (seen, true))
    step_error = np.diff(way - true_way, axis=0, prepend=np.nan)
    overlap = np.where(whole[..., None], track.overlap, np.nan)
    right = np.array([SHAPES.index(subject.shape) for subject in spec.subjects])
    fits = np.take_along_axis(overlap, np.broadcast_to(right[None, :, None], (*whole.shape, 1)), axis=2)[..., 0]
    in_view = state.visible > 0.5
    clear = in_view | (state.visible < GONE)
    present = np.where(clear, track.found == in_view, np.nan)
    has_shape = np.where(whole, fits >= overlap.max(axis=2), np.nan)
    flawed = (present == 0) | (has_shape == 0) | track.recoloured
    right = ~flawed.any(axis=1) & (track.extra == 0)
    return TruthMeasures(
        displacement=_mean(np.linalg.norm(way, axis=-1)),
        true_displacement=_mean(np.linalg.norm(true_way, axis=-1)),
        trajectory_error=_mean(np.linalg.norm(offset, axis=-1)),
        velocity_error=_mean(np.linalg.norm(step_error, axis=-1)),
        area_ratio=_mean(np.where(whole, track.area / np.maximum(state.area, 1e-9), np.nan)),
        permanence=_mean(present),
        colour_error=_mean(np.linalg.norm(track.colour - state.colour, axis=-1)),
        shape_right=_mean(has_shape),
        shape_overlap=_mean(fits),
        censored=_mean(np.where(in_view, ~track.found, np.nan)),
        recoloured=_mean(np.where(track.found, track.recoloured, np.nan)),
        extra_bodies=track.extra.astype(np.float64),
        judged_right=np.where(clear.all(axis=1), right, np.nan),
    )


def turn_timing(track: Track, state: State, spec: ClipSpec) -> TurnTiming:
    """When something turns in a track and in truth, by the same rule; without turns for "crosses" and "orbits"."""
    shown = _turns(spec, track.centre, track.area, track.visible, track.colour)
    true = _turns(spec, state.centre, state.area, state.visible, state.colour)
    errors = [min([abs(frame - other) for other in shown] + [LATEST]) for frame in true]
    return TurnTiming(tuple(true), tuple(shown), float(np.mean(errors)) if errors else float("nan"))


def _turns(spec: ClipSpec, centre: Array, area: Array, visible: Array, colour: Array) -> list[int]:
    kind = spec.motion.kind
    if kind in ("crosses", "orbits"):
        return []
    if kind == "hides":
        in_sight = visible[:, 0] > 0.5
        return (np.flatnonzero(in_sight[1:] != in_sight[:-1]) + 1).tolist()
    if kind == "bounces":
        signal = centre[:, 0, 0 if spec.motion.direction in ("left", "right") else 1]
    elif kind == "meets":
        signal = centre[:, 1, 0] - centre[:, 0, 0]
    elif kind == "pulses":
        signal = np.sqrt(area[:, 0] / pi)
    else:
        first, last = (np.array(COLOURS[name or ""]) for name in (spec.subjects[0].colour, spec.motion.second_colour))
        signal = (colour[:, 0] - first) @ (last - first) / ((last - first) @ (last - first))
    return _turning_frames(signal, MIN_TURN[kind])


def _turning_frames(signal: Array, least: float) -> list[int]:
    """The frames of the highs and lows from which a signal then goes `least` away, each the last one's opposite."""
    frames = np.flatnonzero(np.isfinite(signal)).tolist()
    turns: list[int] = []
    rising: bool | None = None  # until the first clear move
    high = low = frames[0] if frames else 0
    for frame in frames:
        high, low = (best(end, frame, key=signal.__getitem__) for best, end in ((max, high), (min, low)))
        fell = rising is not False and signal[high] - signal[frame] >= least
        rose = rising is not True and signal[frame] - signal[low] >= least
        if fell or rose:
            turn = high if fell else low
            # Around the start, where there is no clear move before, what is hardly off it is no turn.
            if rising is not None or abs(signal[turn] - signal[frames[0]]) >= least / 4:
                turns.append(turn)
            rising, high, low = not fell, frame, frame
    return turns


def _way_gone(centre: Array, wrapped: int | None) -> Array:
    """(T, S, 2) from the first frame on, over joined edges too; NaN where the centre is, or if the first frame's is."""
    way = np.full_like(centre, np.nan)
    for which in range(centre.shape[1]):
        known = np.flatnonzero(np.isfinite(centre[:, which, 0]))
        if len(known) and known[0] == 0:
            steps = _short_way(np.diff(centre[known, which], axis=0), wrapped)
            way[known, which] = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return way


def _short_way(difference: Array, wrapped: int | None) -> Array:
    if wrapped is None:
        return difference
    half = FRAME_SIZE / 2
    shortest = difference.copy()
    shortest[..., wrapped] = (difference[..., wrapped] + half) % FRAME_SIZE - half
    return shortest


def _mean(values: Array) -> Array:
    """Over subjects, of those that have a value."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
