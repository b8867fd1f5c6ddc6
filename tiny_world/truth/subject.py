"""Measures one subject by a colour: its place, area, colour and shape.

A pixel's share of it is how far it lies on the way from the background, as it is around it or at other times, to the
subject's colour, as found in the same frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiny_world.truth.pooling import max_around, mean_around
from tiny_world.world.shapes import coverage
from tiny_world.world.spec import FRAME_SIZE, SHAPES

SAME_COLOUR = (
    75.0  # of RGB distance: a pixel within it is of the subject; the colours are 120 and more from one another
)
MIN_AREA = 8.0  # pixels: less than that is nothing; the smallest subject has 78
EDGE = 2  # pixels around what is surely of the subject, which may be so in part
SURROUNDINGS = 4  # pixels further out that are averaged as the background there

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """A subject in T frames, each attribute (T, ...), or S of them, (T, S, ...); as of `tracker.Track`."""

    centre: Array
    area: Array
    colour: Array
    overlap: Array

    def __getitem__(self, frames: NDArray[np.bool_]) -> "Found":
        """Some of the frames."""
        return Found(*(getattr(self, field.name)[frames] for field in fields(self)))

    @classmethod
    def together(cls, parts: Sequence["Found"]) -> "Found":
        """Several subjects of the same frames."""
        return cls(*(np.stack([getattr(part, field.name) for part in parts], axis=1) for field in fields(cls)))

    def put(self, which: int, frames: NDArray[np.bool_], other: "Found") -> None:
        """Writes what another says of these frames over what is here of subject number `which`, in place."""
        for field in fields(self):
            getattr(self, field.name)[frames, which] = getattr(other, field.name)


def measure_subject(pixels: Tensor, distance: Tensor, nearest: Tensor, reach: float, wrapped: int | None) -> Found:
    """Measures one subject in all frames.

    Args:
        pixels: (T, H, W, 3), 0 to 255.
        distance: (T, H, W), RGB distance of each pixel from the subject's colour.
        nearest: (T, H, W), true where a pixel may be the subject's and no other's.
        reach: pixels from its centre to its furthest point.
        wrapped: axis (0 is x) along which opposite edges are joined; None for neither.
    """
    alike = (distance < SAME_COLOUR).float()
    core = alike * nearest
    elsewhere = 1 - max_around(alike, EDGE)
    images: tuple[Tensor, ...] = (pixels, core, elsewhere, _background_over_time(pixels, elsewhere))
    shift = torch.zeros(len(pixels), 2)
    if wrapped is not None:
        shift[:, wrapped] = _shift_to_middle(core, wrapped)
        images = tuple(_rolled(each, shift[:, wrapped], wrapped) for each in images)
    pixels, core, elsewhere, over_time = images
    core = core * _neighbourhood(core, reach)
    colour = mean_colour(pixels, core)
    around, known = _background_around(pixels, elsewhere)
    share = _share_of_subject(pixels, colour, (around, over_time))
    # Deep inside a large subject no background is near, and none is needed.
    share = torch.where(known, share, core) * max_around(core, EDGE)
    area = share.sum(dim=(1, 2))
    gone = area < MIN_AREA
    middles = torch.arange(FRAME_SIZE) + 0.5
    centre = torch.stack([share.sum(dim=1) @ middles, share.sum(dim=2) @ middles], dim=1) / area[:, None]
    overlap = _overlap(share, centre, area)
    if wrapped is not None:
        centre[:, wrapped] = (centre[:, wrapped] - shift[:, wrapped]) % FRAME_SIZE
    for measured in (centre, colour, overlap):
        measured[gone] = torch.nan
    return Found(*(each.double().numpy() for each in (centre, area.masked_fill(gone, 0.0), colour, overlap)))


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
    density = mean_around(core, half).flatten(1)
    row, column = density.argmax(dim=1) // FRAME_SIZE, density.argmax(dim=1) % FRAME_SIZE
    numbers = torch.arange(FRAME_SIZE)
    limit = round(1.6 * reach)
    rows, columns = ((numbers - at[:, None]).abs() <= limit for at in (row, column))
    return (rows[:, :, None] & columns[:, None, :]).float()


def mean_colour(pixels: Tensor, core: Tensor) -> Tensor:
    """(T, 3): of the core's inside, where it has one; its edge is half background."""
    inside = -max_around(-core, 1)
    weight = torch.where(inside.sum(dim=(1, 2), keepdim=True) >= MIN_AREA, inside, core)
    return torch.einsum("thw,thwc->tc", weight, pixels) / weight.sum(dim=(1, 2)).clamp(min=1e-6)[:, None]


def _background_over_time(pixels: Tensor, elsewhere: Tensor) -> Tensor:
    """(T, H, W, 3): each pixel's mean over the frames in which it shows background; infinite where it never does."""
    times = elsewhere.sum(dim=0)[..., None]
    mean = (elsewhere[..., None] * pixels).sum(dim=0) / times
    return torch.where(times > 0, mean, torch.inf).expand_as(pixels)


def _background_around(pixels: Tensor, elsewhere: Tensor) -> tuple[Tensor, Tensor]:
    """(T, H, W, 3): the mean of what background there is around each pixel; (T, H, W): whether there is any."""
    around = [mean_around(elsewhere * pixels[..., c], EDGE + SURROUNDINGS) for c in range(3)]
    known = mean_around(elsewhere, EDGE + SURROUNDINGS)
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
