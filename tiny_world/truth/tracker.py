"""Tracks subjects by frames alone: where they are, how much of them, in which colour and shape.

The clip's spec says which colours to look for; nothing is taken from its motion but whether opposite edges are joined.
So rendered, decoded and generated clips are measured alike. A pixel's share of a subject is how far it lies on the way
from the background, as it is around it or at other times, to the subject's colour, as found in the same frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tiny_world.world.motion import PULSE_RADII
from tiny_world.world.render import wrapped_axis
from tiny_world.world.shapes import REACH, coverage
from tiny_world.world.spec import COLOURS, FRAME_SIZE, SHAPES, SIZES, ClipSpec

SAME_COLOUR = (
    75.0  # of RGB distance: a pixel within it is of the subject; the colours are 120 and more from one another
)
MIN_AREA = 8.0  # pixels: less than that is nothing; the smallest subject has 78
EDGE = 2  # pixels around what is surely of the subject, which may be so in part
SURROUNDINGS = 4  # pixels further out that are averaged as the background there

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """Measures of S subjects in T frames; NaN where nothing was found.

    Attributes:
        centre: (T, S, 2) pixels, x and y of the centroid of what can be seen; in [0, FRAME_SIZE) for "crosses".
        area: (T, S) pixels; 0 where nothing was found.
        visible: (T, S) that area as a share of a whole subject's, 1 at most; "pulses" is measured against its smallest.
        colour: (T, S, 3) RGB, 0 to 255, mean of the pixels that are surely of the subject.
        overlap: (T, S, shapes of SHAPES) what is seen over each shape at that place and area, intersection over union.
    """

    centre: Array
    area: Array
    visible: Array
    colour: Array
    overlap: Array

    @property
    def found(self) -> NDArray[np.bool_]:
        """(T, S): whether anything was found."""
        return self.area > 0


def track(frames: NDArray[np.uint8], spec: ClipSpec) -> Track:
    """Measures a clip's subjects.

    Args:
        frames: uint8 (frames, FRAME_SIZE, FRAME_SIZE, 3), RGB.
        spec: of the clip, or of the clip that a generated one was meant to be.

    Raises:
        ValueError: the frames have another shape.
    """
    if frames.ndim != 4 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE, 3):
        raise ValueError(f"The frames are {frames.shape}: give (frames, {FRAME_SIZE}, {FRAME_SIZE}, 3).")
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float()
    distances = torch.stack([_distance(pixels, colours) for colours in _colours(spec)])
    parts = []
    for which in range(len(spec.subjects)):
        nearest = distances.argmin(dim=0) == which
        parts.append(
            _track_subject(pixels, distances[which], nearest, _largest_radius(spec, which), wrapped_axis(spec))
        )
    centre, area, colour, overlap = (
        np.stack([part[number].double().numpy() for part in parts], axis=1) for number in range(4)
    )
    whole = [pi * (PULSE_RADII[0] if spec.motion.kind == "pulses" else SIZES[s.size]) ** 2 for s in spec.subjects]
    return Track(centre, area, np.minimum(area / whole, 1), colour, overlap)


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
    way = last - first
    share = ((pixels - first) @ way / way.square().sum().clamp(min=1e-6)).clamp(0, 1)
    return (pixels - first - share[..., None] * way).norm(dim=-1)


def _track_subject(
    pixels: Tensor, distance: Tensor, nearest: Tensor, reach: float, wrapped: int | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One subject's centre, area, colour and overlap."""
    alike = (distance < SAME_COLOUR).float()
    core = alike * nearest
    elsewhere = 1 - _max_around(alike, EDGE)
    images: tuple[Tensor, ...] = (pixels, core, elsewhere, _background_over_time(pixels, elsewhere))
    shift = torch.zeros(len(pixels), 2)
    if wrapped is not None:
        shift[:, wrapped] = _shift_to_middle(core, wrapped)
        images = tuple(_rolled(each, shift[:, wrapped], wrapped) for each in images)
    pixels, core, elsewhere, over_time = images
    core = core * _neighbourhood(core, reach)
    colour = _mean_colour(pixels, core)
    around, known = _background_around(pixels, elsewhere)
    share = _share_of_subject(pixels, colour, (around, over_time))
    # Deep inside a large subject no background is near, and none is needed.
    share = torch.where(known, share, core) * _max_around(core, EDGE)
    area = share.sum(dim=(1, 2))
    gone = area < MIN_AREA
    middles = torch.arange(FRAME_SIZE) + 0.5
    centre = torch.stack([share.sum(dim=1) @ middles, share.sum(dim=2) @ middles], dim=1) / area[:, None]
    overlap = _overlap(share, centre, area)
    if wrapped is not None:
        centre[:, wrapped] = (centre[:, wrapped] - shift[:, wrapped]) % FRAME_SIZE
    for measured in (centre, colour, overlap):
        measured[gone] = torch.nan
    return centre, area.masked_fill(gone, 0.0), colour, overlap


def _shift_to_middle(core: Tensor, axis: int) -> Tensor:
    """(T,) whole pixels to roll each frame by, so that what is on both sides of an edge comes together."""
    angle = 2 * pi * (torch.arange(FRAME_SIZE) + 0.5) / FRAME_SIZE
    weight = core.sum(dim=1 if axis == 0 else 2)
    mean = torch.atan2(weight @ angle.sin(), weight @ angle.cos()) * FRAME_SIZE / (2 * pi)
    return torch.round(FRAME_SIZE / 2 - mean)


def _rolled(images: Tensor, shift: Tensor, axis: int) -> Tensor:
    dim = 1 if axis == 0 else 0  # of one frame
    return torch.stack([image.roll(int(by), dims=dim) for image, by in zip(images, shift, strict=True)])


def _neighbourhood(core: Tensor, reach: float) -> Tensor:
    """1 in a square, somewhat wider than a subject, around the place where most of the core is: specks are outside."""
    half = round(reach)
    density = _mean_around(core, half).flatten(1)
    row, column = density.argmax(dim=1) // FRAME_SIZE, density.argmax(dim=1) % FRAME_SIZE
    numbers = torch.arange(FRAME_SIZE)
    limit = round(1.6 * reach)
    rows, columns = ((numbers - at[:, None]).abs() <= limit for at in (row, column))
    return (rows[:, :, None] & columns[:, None, :]).float()


def _mean_colour(pixels: Tensor, core: Tensor) -> Tensor:
    """(T, 3): of the core's inside, where it has one; its edge is half background."""
    inside = -_max_around(-core, 1)
    weight = torch.where(inside.sum(dim=(1, 2), keepdim=True) >= MIN_AREA, inside, core)
    return torch.einsum("thw,thwc->tc", weight, pixels) / weight.sum(dim=(1, 2)).clamp(min=1e-6)[:, None]


def _background_over_time(pixels: Tensor, elsewhere: Tensor) -> Tensor:
    """(T, H, W, 3): each pixel's mean over the frames in which it shows background; infinite where it never does."""
    times = elsewhere.sum(dim=0)[..., None]
    mean = (elsewhere[..., None] * pixels).sum(dim=0) / times
    return torch.where(times > 0, mean, torch.inf).expand_as(pixels)


def _background_around(pixels: Tensor, elsewhere: Tensor) -> tuple[Tensor, Tensor]:
    """(T, H, W, 3): the mean of what background there is around each pixel; (T, H, W): whether there is any."""
    around = [_mean_around(elsewhere * pixels[..., c], EDGE + SURROUNDINGS) for c in range(3)]
    known = _mean_around(elsewhere, EDGE + SURROUNDINGS)
    return torch.stack(around, dim=-1) / known.clamp(min=1e-6)[..., None], known > 1e-3


def _share_of_subject(pixels: Tensor, colour: Tensor, backgrounds: tuple[Tensor, ...]) -> Tensor:
    """(T, H, W) in [0, 1]: by the background that explains each pixel best, being mixed with the subject's colour."""
    shares, left_over = [], []
    for background in backgrounds:
        contrast = colour[:, None, None] - background
        share = ((pixels - background) * contrast).sum(dim=-1) / contrast.square().sum(dim=-1).clamp(min=1.0)
        share = share.clamp(0, 1)
        shares.append(share)
        left_over.append((pixels - background - share[..., None] * contrast).square().sum(dim=-1).nan_to_num(torch.inf))
    best = torch.stack(left_over).argmin(dim=0, keepdim=True)
    return torch.stack(shares).gather(0, best)[0].nan_to_num(0.0)


def _overlap(share: Tensor, centre: Tensor, area: Tensor) -> Tensor:
    """(T, shapes)"""
    middles = torch.arange(FRAME_SIZE) + 0.5
    x, y = ((middles - centre[:, axis : axis + 1]).numpy() for axis in (0, 1))
    radius = (area / pi).sqrt()[:, None, None].numpy()
    scores = []
    for shape in SHAPES:
        ideal = torch.from_numpy(coverage(shape, x[:, None, :], y[:, :, None], radius))
        both, either = torch.minimum(share, ideal).sum(dim=(1, 2)), torch.maximum(share, ideal).sum(dim=(1, 2))
        scores.append(both / either)
    return torch.stack(scores, dim=1)


def _mean_around(images: Tensor, radius: int) -> Tensor:
    return _around(F.avg_pool2d, images, radius)


def _max_around(images: Tensor, radius: int) -> Tensor:
    return _around(F.max_pool2d, images, radius)


def _around(pool: Callable[..., Tensor], images: Tensor, radius: int) -> Tensor:
    """Pools (T, H, W) over squares: rows, then columns, which is the same and much faster."""
    rows = pool(images[:, None], (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return pool(rows, (2 * radius + 1, 1), stride=1, padding=(radius, 0))[:, 0]
