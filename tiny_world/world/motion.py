"""States of all frames of a clip: a closed form of the clip's spec, exact below a pixel.

Coordinates are in pixels, x to the right and y down; the picture spans 0 to FRAME_SIZE, so that a pixel's centre is at
a half.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.events import event_path, event_visibility, happening
from tiny_world.world.paths import (
    MARGIN,
    Path,
    back_and_forth,
    heading_of,
    lane_of,
    on_axis,
    path_of,
    room_of,
    standing,
)
from tiny_world.world.shapes import REACH, share_beyond
from tiny_world.world.spec import COLOURS, FRAME_SIZE, SIZES, ClipSpec

Array = NDArray[np.float64]

WALL_WIDTH = 22  # pixels
DOT_RADIUS = 2.0  # pixels; "orbits" goes around a dot in the picture's centre
HIDDEN_DEPTH = 6.0  # pixels that a subject goes on behind the wall once it is out of sight
PULSE_RADII = (6.0, 11.0)  # pixels

# Pixels a frame; a period is 43 / 21 frames for "crosses" and 47 to 65 / 23 to 32 for "bounces" and "hides", by shape.
PACE = {"slow": 1.5, "fast": 3.0}
MEETING_PACE = {"slow": 0.6, "fast": 1.2}  # pixels a frame: a period is 36 to 59 / 18 to 30 frames
ORBIT_PERIOD = {"slow": 60.0, "fast": 32.0}  # frames
PULSE_PERIOD = {"slow": 48.0, "fast": 24.0}
RECOLOUR_PERIOD = {"slow": 40.0, "fast": 20.0}


@dataclass(frozen=True)
class State:
    """The truth of a clip of T frames with S subjects.

    Attributes:
        centre: (T, S, 2) pixels, x and y of the whole shape's centroid; in [0, FRAME_SIZE) for "crosses".
        velocity: (T, S, 2) pixels a frame, at the frame's own instant.
        radius: (T, S) pixels, of the circle of the same area.
        visible: (T, S) the share of the shape that is not behind a wall.
        area: (T, S) pixels that can be seen.
        colour: (T, S, 3) RGB, 0 to 255.
        turned: (T, S) whether place, size or colour turned back since the frame before.
        event: (T,) whether an event takes place.
    """

    centre: Array
    velocity: Array
    radius: Array
    visible: Array
    area: Array
    colour: Array
    turned: NDArray[np.bool_]
    event: NDArray[np.bool_]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, to a ten-thousandth of a pixel, without `event` where there is none."""
        numbers = [field.name for field in fields(self) if field.name not in ("turned", "event")]
        rounded = {name: np.round(getattr(self, name).astype(np.float64), 4).tolist() for name in numbers}
        event = {"event": self.event.tolist()} if self.event.any() else {}
        return rounded | {"turned": self.turned.tolist()} | event

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "State":
        """The inverse of `to_dict`."""
        whole = {"event": [False] * len(data["centre"])} | data
        return cls(**{field.name: np.array(whole[field.name]) for field in fields(cls)})


def state_of(spec: ClipSpec, num_frames: int) -> State:
    """The truth of a clip's first `num_frames` frames."""
    time = np.arange(num_frames, dtype=np.float64)
    paths = [event_path(spec, time)] if spec.event else _PATHS[spec.motion.kind](spec, time)
    stacked = {field.name: np.stack([getattr(path, field.name) for path in paths], axis=1) for field in fields(Path)}
    visible = np.ones((num_frames, len(paths)))
    if spec.motion.kind == "hides":
        visible[:, 0] = _share_in_front_of_wall(spec, stacked["centre"][:, 0, 0])
    if spec.event:
        visible[:, 0] = event_visibility(spec, time)
    event = happening(spec, time) if spec.event else np.zeros(num_frames, np.bool_)
    return State(**stacked, visible=visible, area=visible * pi * stacked["radius"] ** 2, event=event)


def wall_columns(spec: ClipSpec) -> slice:
    """The columns of pixels that the wall of "hides" fills."""
    return slice(0, WALL_WIDTH) if spec.motion.direction == "left" else slice(FRAME_SIZE - WALL_WIDTH, FRAME_SIZE)


def _crosses(spec: ClipSpec, time: Array) -> list[Path]:
    axis, sign = heading_of(spec)
    (low, high), lane = room_of(spec, axis), lane_of(spec, axis)
    pace = sign * PACE[spec.motion.speed]
    position = (low + spec.motion.along * (high - low) + pace * time) % FRAME_SIZE
    return [path_of(spec, on_axis(axis, position, lane), velocity=on_axis(axis, np.full_like(time, pace), 0.0))]


def _bounces(spec: ClipSpec, time: Array) -> list[Path]:
    axis, sign = heading_of(spec)
    (low, high), lane = room_of(spec, axis), lane_of(spec, axis)
    start = low + spec.motion.along * (high - low)
    position, velocity, turned = back_and_forth(start, low, high, sign * PACE[spec.motion.speed], time)
    centre = on_axis(axis, position, lane)
    return [path_of(spec, centre, velocity=on_axis(axis, velocity, 0.0), turned=turned)]


def _orbits(spec: ClipSpec, time: Array) -> list[Path]:
    reach = max(REACH[spec.subjects[0].shape]) * SIZES[spec.subjects[0].size]
    widest = FRAME_SIZE / 2 - MARGIN - reach
    tightest = min(widest, max(widest - 4, reach + DOT_RADIUS + 1))  # the dot stays in view
    radius = tightest + spec.motion.across * (widest - tightest)
    sign = 1 if spec.motion.direction == "clockwise" else -1  # y points down
    rate = sign * 2 * pi / ORBIT_PERIOD[spec.motion.speed]
    angle = 2 * pi * spec.motion.along + rate * time
    outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    onward = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    return [path_of(spec, FRAME_SIZE / 2 + radius * outward, velocity=rate * radius * onward)]


def _hides(spec: ClipSpec, time: Array) -> list[Path]:
    side = REACH[spec.subjects[0].shape][0] * SIZES[spec.subjects[0].size]
    edge = FRAME_SIZE - WALL_WIDTH
    low, deepest = MARGIN + side, edge + side + HIDDEN_DEPTH
    start = low + spec.motion.along * (edge - side - low)  # in full view
    position, velocity, turned = back_and_forth(start, low, deepest, PACE[spec.motion.speed], time)
    if spec.motion.direction == "left":
        position, velocity = FRAME_SIZE - position, -velocity
    centre = on_axis(0, position, lane_of(spec, 0))
    return [path_of(spec, centre, velocity=on_axis(0, velocity, 0.0), turned=turned)]


def _pulses(spec: ClipSpec, time: Array) -> list[Path]:
    low, high = PULSE_RADII
    begun = 0.3 * spec.motion.along * (high - low)  # still nearer to the size that the caption says than to the other
    grows = spec.motion.direction == "grows"
    pace = (high - low) / (PULSE_PERIOD[spec.motion.speed] / 2)
    start, pace = (low + begun, pace) if grows else (high - begun, -pace)
    radius, _, turned = back_and_forth(start, low, high, pace, time)
    centre = standing(spec, time, high)
    return [path_of(spec, centre, radius=radius, turned=turned)]


def _recolours(spec: ClipSpec, time: Array) -> list[Path]:
    subject, second = spec.subjects[0], spec.motion.second_colour
    assert second is not None  # the spec has seen to it
    mix, _, turned = back_and_forth(0.0, 0.0, 1.0, 2 / RECOLOUR_PERIOD[spec.motion.speed], time)
    first, last = np.array(COLOURS[subject.colour], np.float64), np.array(COLOURS[second], np.float64)
    centre = standing(spec, time, SIZES[subject.size])
    return [path_of(spec, centre, colour=first + mix[:, None] * (last - first), turned=turned)]


def _meets(spec: ClipSpec, time: Array) -> list[Path]:
    left, right = (REACH[subject.shape][0] * SIZES[subject.size] for subject in spec.subjects)
    touch = FRAME_SIZE / 2 + left - right  # so that both have the same way to go
    way = touch - 2 * left - MARGIN
    start = 0.6 * spec.motion.along * way
    travelled, pace, turned = back_and_forth(start, 0.0, way, MEETING_PACE[spec.motion.speed], time)
    up, down = (max(REACH[s.shape][end] * SIZES[s.size] for s in spec.subjects) for end in (1, 2))
    lane = MARGIN + up + spec.motion.across * (FRAME_SIZE - 2 * MARGIN - up - down)
    centres = (touch - left - way + travelled, touch + right + way - travelled)
    return [
        path_of(spec, on_axis(0, x, lane), which, velocity=on_axis(0, sign * pace, 0.0), turned=turned)
        for which, (x, sign) in enumerate(zip(centres, (1, -1), strict=True))
    ]


_PATHS: dict[str, Callable[[ClipSpec, Array], list[Path]]] = {
    "crosses": _crosses,
    "bounces": _bounces,
    "orbits": _orbits,
    "hides": _hides,
    "pulses": _pulses,
    "recolours": _recolours,
    "meets": _meets,
}


def _share_in_front_of_wall(spec: ClipSpec, x: Array) -> Array:
    subject = spec.subjects[0]
    edge = WALL_WIDTH if spec.motion.direction == "left" else FRAME_SIZE - WALL_WIDTH
    beyond = share_beyond(subject.shape, (edge - x) / SIZES[subject.size])
    return beyond if spec.motion.direction == "left" else 1 - beyond
