"""Tracks subjects by frames alone: where they are, how much of them, in which colour and shape.

The clip's spec says which colours to look for; nothing is taken from its motion but whether opposite edges are joined.
So rendered, decoded and generated clips are measured alike. What is neither in a subject's colour nor of the scene that
the spec describes is a subject that has left its colour, or a body too many, as is a second copy.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiny_world.truth.bodies import count_bodies
from tiny_world.truth.pooling import max_around, without_thin
from tiny_world.truth.strangers import THIN, regions_followed, strange_pixels
from tiny_world.truth.subject import EDGE, SAME_COLOUR, Found, mean_colour, measure_subject
from tiny_world.world.motion import PULSE_RADII
from tiny_world.world.render import wrapped_axis
from tiny_world.world.shapes import REACH
from tiny_world.world.spec import COLOURS, FRAME_SIZE, SIZES, ClipSpec

MIN_BODY = 0.15  # of a whole subject's area: less is no body; in real clips nothing besides the subjects has a pixel
LARGEST = 2.5  # whole subjects: what is larger is no body, but another scene; two that touch are 2
MIN_OVERLAP = 0.6  # with the shape of the world that fits best, of what is followed in another colour

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
    """Measures of S subjects in T frames; NaN where nothing was found.

    Attributes:
        centre: (T, S, 2) pixels, x and y of the centroid of what can be seen; in [0, FRAME_SIZE) for "crosses".
        area: (T, S) pixels; 0 where nothing was found.
        visible: (T, S) that area as a share of a whole subject's, 1 at most; "pulses" is measured against its smallest.
        colour: (T, S, 3) RGB, 0 to 255, mean of the pixels that are surely of the subject.
        overlap: (T, S, shapes of SHAPES) what is seen over each shape at that place and area, intersection over union.
        recoloured: (T, S) whether it was found in a colour that is not its own.
        extra: (T,) bodies besides the subjects: second copies of these, and any of other colours.
    """

    centre: Array
    area: Array
    visible: Array
    colour: Array
    overlap: Array
    recoloured: Flags
    extra: NDArray[np.int64]

    @property
    def found(self) -> Flags:
        """(T, S): whether anything was found."""
        return self.area > 0


def track(frames: NDArray[np.uint8], spec: ClipSpec) -> Track:
    """Measures a clip's subjects; one that has left its colour is followed in its new one.

    Args:
        frames: uint8 (frames, FRAME_SIZE, FRAME_SIZE, 3), RGB.
        spec: of the clip, or of the clip that a generated one was meant to be.

    Raises:
        ValueError: the frames have another shape.
        VideoError: the clip's scene is a photograph and the footage is not installed.
    """
    if frames.ndim != 4 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE, 3):
        raise ValueError(f"The frames are {frames.shape}: give (frames, {FRAME_SIZE}, {FRAME_SIZE}, 3).")
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float()
    distances = torch.stack([_distance(pixels, colours) for colours in _colours(spec)])
    own = _own_pixels(distances)
    subjects = range(len(spec.subjects))
    found = Found.together(
        [
            measure_subject(pixels, distances[which], own[which], _largest_radius(spec, which), wrapped_axis(spec))
            for which in subjects
        ]
    )
    strange, recoloured = _follow(found, pixels, own, spec)
    visible = np.minimum(found.area / [_sizes(spec, which)[0] for which in subjects], 1)
    extra = _extra(own, strange, recoloured, spec)
    return Track(found.centre, found.area, visible, found.colour, found.overlap, recoloured, extra)


def _follow(found: Found, pixels: Tensor, own: Tensor, spec: ClipSpec) -> tuple[Flags, Flags]:
    """Measures lost subjects by the colour of the strange region that each has become, and writes it over `found`.

    Returns:
        (T, H, W): the strange pixels that no subject is; (T, S): where a subject has another colour. A region that has
        no shape of the world is no subject.
    """
    solid = torch.stack([without_thin(each, THIN) for each in own])
    sizes = [_sizes(spec, which) for which in range(len(own))]
    most = LARGEST * max(large for _, large in sizes)
    strange = strange_pixels(pixels, spec, max_around(solid.amax(dim=0), EDGE), most)
    least = np.array([MIN_BODY * small for small, _ in sizes])
    taken = regions_followed(strange, solid.sum(dim=(2, 3)).T.numpy(), found.centre, least, wrapped_axis(spec))
    recoloured = np.zeros(found.area.shape, np.bool_)
    for which, regions in enumerate(taken):
        frames = regions.any(axis=(1, 2))
        if frames.any():
            other = _measured_in(regions[frames], pixels[frames], _largest_radius(spec, which), wrapped_axis(spec))
            away = _distance(torch.from_numpy(other.colour), _colours(spec)[which]).numpy() > SAME_COLOUR
            is_shape = away & (np.nan_to_num(other.overlap).max(axis=1) >= MIN_OVERLAP)
            recoloured[frames, which] = is_shape
            found.put(which, recoloured[:, which], other[is_shape])
    followed = torch.from_numpy((taken & recoloured.T[:, :, None, None]).any(axis=0)).float()
    seen = max_around(torch.maximum(own.amax(dim=0), followed), EDGE)
    return without_thin(torch.from_numpy(strange).float() * (1 - seen), THIN).numpy() > 0, recoloured


def _measured_in(regions: Flags, pixels: Tensor, reach: float, wrapped: int | None) -> Found:
    """A subject in the colour that its region (T, H, W) has in each frame."""
    region = torch.from_numpy(regions).float()
    distance = (pixels - mean_colour(pixels, region)[:, None, None]).norm(dim=-1)
    return measure_subject(pixels, distance, max_around(region, EDGE), reach, wrapped)


def _extra(own: Tensor, strange: Flags, recoloured: Flags, spec: ClipSpec) -> NDArray[np.int64]:
    """(T,) bodies that are no subject, in the subjects' own colours (S, T, H, W) or another (T, H, W)."""
    extra = _bodies(strange, spec, 0)
    for which, in_colour in enumerate(own):
        # Edges of a subject in another colour may look like its own; what is thicker is one too many.
        instead = _bodies(without_thin(in_colour, THIN).numpy() > 0, spec, which)
        bodies = _bodies(in_colour.numpy() > 0, spec, which)
        extra += np.maximum(np.where(recoloured[:, which], instead, bodies - 1), 0)
    return extra


def _bodies(mask: Flags, spec: ClipSpec, which: int) -> NDArray[np.int64]:
    """(T,) bodies of a mask (T, H, W), in size like a subject."""
    small, large = _sizes(spec, which)
    return count_bodies(mask, MIN_BODY * small, large, wrapped_axis(spec))


def _own_pixels(distances: Tensor) -> Tensor:
    """(S, T, H, W): 1 where a pixel is of a subject's colour and of no other's more, else 0."""
    nearest = distances.argmin(dim=0)
    return torch.stack([((each < SAME_COLOUR) & (nearest == which)).float() for which, each in enumerate(distances)])


def _sizes(spec: ClipSpec, which: int) -> tuple[float, float]:
    """Pixels of a whole subject, at its smallest and at its largest."""
    radius = SIZES[spec.subjects[which].size]
    radii = PULSE_RADII if spec.motion.kind == "pulses" else (radius, radius)
    return pi * radii[0] ** 2, pi * radii[1] ** 2


def _colours(spec: ClipSpec) -> list[tuple[Tensor, Tensor]]:
    """For each subject the two colours between which its own may be."""
    ends = [(s.colour, spec.motion.second_colour or s.colour) for s in spec.subjects]
    return [(torch.tensor(COLOURS[a]).float(), torch.tensor(COLOURS[b]).float()) for a, b in ends]


def _largest_radius(spec: ClipSpec, which: int) -> float:
    radius = PULSE_RADII[1] if spec.motion.kind == "pulses" else SIZES[spec.subjects[which].size]
    return radius * max(REACH[spec.subjects[which].shape])


def _distance(pixels: Tensor, ends: tuple[Tensor, Tensor]) -> Tensor:
    """(T, H, W): how far each pixel's colour is from the nearest mixture of the two."""
    first, last = ends
    first, last = first.to(pixels.dtype), last.to(pixels.dtype)
    way = last - first
    share = ((pixels - first) @ way / way.square().sum().clamp(min=1e-6)).clamp(0, 1)
    return (pixels - first - share[..., None] * way).norm(dim=-1)
