"""Parts that paths are made of: the room of a shape, lanes and headings, going back and forth, standing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.shapes import REACH
from tiny_world.world.spec import COLOURS, FRAME_SIZE, SIZES, ClipSpec

Array = NDArray[np.float64]

MARGIN = 1.0  # pixels between a subject and the picture's edge when it bounces


@dataclass(frozen=True)
class Path:
    """One subject's part of `State`, each (T, ...)."""

    centre: Array
    velocity: Array
    radius: Array
    colour: Array
    turned: NDArray[np.bool_]


def path_of(spec: ClipSpec, centre: Array, which: int = 0, **parts: Any) -> Path:
    """The path of subject number `which` along centres (T, 2), pixels; parts that are not given stay as they begin."""
    subject = spec.subjects[which]
    still = {
        "velocity": np.zeros_like(centre),
        "radius": np.full(len(centre), SIZES[subject.size]),
        "colour": np.tile(np.array(COLOURS[subject.colour], np.float64), (len(centre), 1)),
        "turned": np.zeros(len(centre), np.bool_),
    }
    return Path(centre=centre, **(still | parts))


def back_and_forth(
    start: float, low: float, high: float, pace: float, time: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Position, velocity and turns of something that goes between two ends at a constant pace, first upward if > 0."""
    length = high - low
    covered = (start - low if pace > 0 else length + high - start) + abs(pace) * time
    lap = np.floor(covered / length)
    rest = covered - lap * length
    upward = lap % 2 == 0
    turned = np.diff(lap, prepend=lap[:1]) > 0
    return np.where(upward, low + rest, high - rest), np.where(upward, abs(pace), -abs(pace)), turned


def heading_of(spec: ClipSpec) -> tuple[int, int]:
    """The axis of the motion (0 is x) and whether the coordinate first grows (1) or falls (-1)."""
    direction = spec.motion.direction
    return (0 if direction in ("left", "right") else 1), (1 if direction in ("right", "down") else -1)


def room_of(spec: ClipSpec, axis: int, radius: float | None = None) -> tuple[float, float]:
    """The lowest and highest coordinate of a centre whose shape is wholly in the picture."""
    side, up, down = (radius or SIZES[spec.subjects[0].size]) * np.array(REACH[spec.subjects[0].shape])
    before, after = (side, side) if axis == 0 else (up, down)
    return MARGIN + before, FRAME_SIZE - MARGIN - after


def lane_of(spec: ClipSpec, axis: int) -> float:
    """The coordinate that stays the same when a subject moves along `axis`."""
    low, high = room_of(spec, 1 - axis)
    return low + spec.motion.across * (high - low)


def standing(spec: ClipSpec, time: Array, radius: float) -> Array:
    """The centres of a subject that stays where it is, with room for a `radius`; along and across say where."""
    place = [
        low + share * (high - low)
        for (low, high), share in zip(
            (room_of(spec, 0, radius), room_of(spec, 1, radius)), (spec.motion.along, spec.motion.across), strict=True
        )
    ]
    return np.tile(np.array(place), (len(time), 1))


def on_axis(axis: int, moving: Array, resting: float | Array) -> Array:
    """(T, 2): what changes along `axis` (0 is x), and the other coordinate."""
    other = np.full_like(moving, resting)
    return np.stack([moving, other] if axis == 0 else [other, moving], axis=1)
