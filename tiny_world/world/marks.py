"""Marks on the picture by which the first frame tells of the events to come: bands, posts and wedges."""

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.events import course_of, event_of, lane_of_events
from tiny_world.world.paths import heading_of
from tiny_world.world.spec import FRAME_SIZE, ClipSpec

Array = NDArray[np.float64]


def mark_coverage(spec: ClipSpec) -> NDArray[np.float32]:
    """The share of each pixel that the marks of a clip with events cover: float32 (FRAME_SIZE, FRAME_SIZE, 1).

    Bands and posts go from edge to edge of the picture; a wedge goes from the edge that is nearer to the lane to it,
    and so lies on the side that a turn does not take. Marks of "crosses" go on at the opposite edge.
    """
    axis, sign = heading_of(spec)
    along = np.zeros(FRAME_SIZE)
    for start, end in course_of(spec).marks:
        first, last = (start, end) if sign > 0 else (FRAME_SIZE - end, FRAME_SIZE - start)
        along += sum(_covered(first + shift, last + shift) for shift in (-FRAME_SIZE, 0, FRAME_SIZE))
    across = np.ones(FRAME_SIZE)
    if event_of(spec).kind == "turn":
        lane = lane_of_events(spec)
        across = _covered(0, lane) if spec.motion.across < 0.5 else _covered(lane, FRAME_SIZE)
    rows, columns = (across, along) if axis == 0 else (along, across)
    return (rows[:, None] * columns)[..., None].astype(np.float32)


def _covered(start: float, end: float) -> Array:
    """(FRAME_SIZE,) the share of each pixel that lies between two coordinates."""
    pixels = np.arange(FRAME_SIZE)
    return np.clip(np.minimum(pixels + 1, end) - np.maximum(pixels, start), 0, 1)
