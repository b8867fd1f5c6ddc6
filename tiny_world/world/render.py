"""From a clip's spec to its pixels."""

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.marks import mark_coverage
from tiny_world.world.motion import DOT_RADIUS, State, state_of, wall_columns
from tiny_world.world.photographs import photograph
from tiny_world.world.shapes import coverage
from tiny_world.world.spec import FRAME_SIZE, PLACES, PLAIN_PLACES, ClipSpec

WALL_COLOUR = (172, 164, 152)
DOT_COLOUR = (226, 226, 222)
# Of marks: colours of places, as an autoencoder that was trained without marks takes thin and bright ones for subjects.
_ON_DARK, _ON_OTHERS = PLAIN_PLACES["grey"], PLAIN_PLACES["black"]
MARK_COLOURS = {place: _ON_DARK if place in ("black", "navy", "street") else _ON_OTHERS for place in PLACES}

Frames = NDArray[np.uint8]  # (frames, height, width, 3), RGB
Array = NDArray[np.float32]


def render(spec: ClipSpec, num_frames: int) -> Frames:
    """A clip's first frames, uint8 (num_frames, FRAME_SIZE, FRAME_SIZE, 3), RGB.

    Raises:
        VideoError: the place is a photograph and the footage is not installed.
    """
    return draw(spec, state_of(spec, num_frames))


def draw(spec: ClipSpec, state: State) -> Frames:
    """The frames of a clip whose subjects have that state: uint8 (T, FRAME_SIZE, FRAME_SIZE, 3), RGB.

    Raises:
        VideoError: the place is a photograph and the footage is not installed.
    """
    frames = np.repeat(_behind(spec)[None], len(state.centre), axis=0)
    for which in range(len(spec.subjects)):
        colour = state.colour[:, which, None, None].astype(np.float32)
        cover = subject_coverage(spec, state, which)
        if spec.event is not None and spec.event.kind == "blink":
            cover *= state.visible[:, which, None, None].astype(np.float32)
        frames += cover[..., None] * (colour - frames)
    return np.round(_with_front(spec, frames)).astype(np.uint8)


def scene_of(spec: ClipSpec) -> Array:
    """The picture without its subjects, wall, dot and marks included: float32 (FRAME_SIZE, FRAME_SIZE, 3), 0 to 255.

    Raises:
        VideoError: the place is a photograph and the footage is not installed.
    """
    return _with_front(spec, _behind(spec))


def _behind(spec: ClipSpec) -> Array:
    """The part of the scene that subjects are in front of."""
    place = spec.background.place
    if place in PLAIN_PLACES:
        scene = np.full((FRAME_SIZE, FRAME_SIZE, 3), PLAIN_PLACES[place], np.float32)
    else:
        scene = photograph(place, spec.background.crop).astype(np.float32)
    if spec.motion.kind == "orbits":
        offset = _from_centre(np.full(1, FRAME_SIZE / 2, np.float32), wrap=False)
        dot = coverage("circle", offset, offset.T, np.full((1, 1), DOT_RADIUS, np.float32))
        scene += dot[..., None] * (np.array(DOT_COLOUR, np.float32) - scene)
    if spec.event is not None and spec.event.kind != "occlusion":
        scene += mark_coverage(spec) * (_mark_colour(spec) - scene)
    return scene


def _with_front(spec: ClipSpec, pictures: Array) -> Array:
    """Draws the rest over pictures (..., FRAME_SIZE, FRAME_SIZE, 3), in place; returns them."""
    if spec.motion.kind == "hides":
        pictures[..., wall_columns(spec), :] = WALL_COLOUR
    if spec.event is not None and spec.event.kind == "occlusion":
        pictures += mark_coverage(spec) * (_mark_colour(spec) - pictures)
    return pictures


def _mark_colour(spec: ClipSpec) -> Array:
    return np.array(MARK_COLOURS[spec.background.place], np.float32)


def subject_coverage(spec: ClipSpec, state: State, which: int = 0) -> Array:
    """A subject's share of each pixel, be it seen there or not: float32 (frames, FRAME_SIZE, FRAME_SIZE) in [0, 1]."""
    centre = state.centre[:, which].astype(np.float32)
    radius = state.radius[:, which].astype(np.float32)
    wrapped = wrapped_axis(spec)
    x, y = (_from_centre(centre[:, axis], wrap=axis == wrapped) for axis in (0, 1))
    return coverage(spec.subjects[which].shape, x[:, None, :], y[:, :, None], radius[:, None, None])


def wrapped_axis(spec: ClipSpec) -> int | None:
    """The axis (0 is x) along which the picture's opposite edges are joined."""
    if spec.motion.kind != "crosses":
        return None
    return 0 if spec.motion.direction in ("left", "right") else 1


def _from_centre(centre: Array, wrap: bool) -> Array:
    """(frames, FRAME_SIZE): the pixels' coordinates less the centre's, the short way round if `wrap`."""
    offset = np.arange(FRAME_SIZE, dtype=np.float32) + np.float32(0.5) - centre[:, None]
    half = FRAME_SIZE / 2
    return (offset + half) % FRAME_SIZE - half if wrap else offset
