"""Finds what is in no subject's colour and not of the scene, and which of it a lost subject has become.

The scene is the one that the clip's spec describes, so nothing has to move to be told from it. What is as thin as a
line is left out: it is an edge that a codec or a model drew a pixel further.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from tiny_world.truth.bodies import regions_of
from tiny_world.truth.pooling import without_thin
from tiny_world.truth.subject import EDGE, SAME_COLOUR
from tiny_world.world.render import scene_of, wrapped_axis
from tiny_world.world.spec import FRAME_SIZE, ClipSpec

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

THIN = 1  # pixels to either side of its middle: what is no thicker is no body
AROUND = 4  # pixels around a region, less EDGE, that it has to stand out from


def strange_pixels(pixels: Tensor, spec: ClipSpec, known: Tensor, most: float) -> Mask:
    """Marks what is further than SAME_COLOUR from the scene and stands out from what is around it, thin regions aside.

    Args:
        pixels: (T, H, W, 3), 0 to 255.
        known: (T, H, W), 1 where a subject in its own colour is, or is near; else 0.
        most: pixels, in a frame, that can be bodies; in a frame with more the scene itself is another, and none is.

    Returns:
        (T, H, W).
    """
    strange = ((pixels - torch.from_numpy(scene_of(spec))).norm(dim=-1) > SAME_COLOUR).float() * (1 - known)
    strange = without_thin(strange, THIN)
    mask: Mask = (strange * (strange.sum(dim=(1, 2), keepdim=True) <= most)).numpy() > 0
    if not mask.any():
        return mask
    regions = regions_of(mask, wrapped_axis(spec))
    return mask & (_contrast(pixels.numpy(), regions) > SAME_COLOUR / 2)[regions]


def _contrast(pixels: NDArray[np.float32], regions: NDArray[np.int64]) -> Array:
    """(regions and 0,) RGB distance between a region's mean and that of the pixels around it, infinite without any."""
    inner, outer = (ndimage.grey_dilation(regions, (1, 2 * by + 1, 2 * by + 1)) for by in (EDGE, EDGE + AROUND))
    sides = [_mean_of_each(pixels, of, regions.max()) for of in (regions, np.where(inner > 0, 0, outer))]
    return np.nan_to_num(np.linalg.norm(sides[0] - sides[1], axis=1), nan=np.inf)


def _mean_of_each(pixels: NDArray[np.float32], regions: NDArray[np.int64], last: int) -> Array:
    """(last + 1, 3); NaN of a region without pixels."""
    count = np.bincount(regions.ravel(), minlength=last + 1)
    totals = [np.bincount(regions.ravel(), pixels[..., c].ravel(), last + 1) for c in range(3)]
    return np.stack(totals, axis=1) / np.where(count > 0, count, np.nan)[:, None]


def regions_followed(
    strange: Mask, area: Array, centre: Array, least: NDArray[np.floating], wrapped: int | None
) -> Mask:
    """For each lost subject the strange region that is nearest to where it was last seen.

    A subject is lost to a region that is four times as large as what is seen of it in its own colour, or more. In one
    frame no two subjects take the same region.

    Args:
        strange: (T, H, W).
        area: (T, S) pixels in the subject's own colour, thin regions left out.
        centre: (T, S, 2) pixels, of what is seen in that colour; NaN where nothing is.
        least: (S,) pixels of a region that can be the subject.
        wrapped: axis (0 is x) along which opposite edges are joined.

    Returns:
        (S, T, H, W).
    """
    regions = regions_of(strange, wrapped)
    taken = np.zeros((area.shape[1], *strange.shape), np.bool_)
    last = centre[0].copy()
    for frame, in_frame in enumerate(regions):
        numbers, areas = np.unique(in_frame[in_frame > 0], return_counts=True)
        left = dict(zip(numbers.tolist(), areas.tolist(), strict=True))
        for which in range(area.shape[1]):
            large = max(least[which], 4 * area[frame, which])
            places = {number: _middle(in_frame == number, wrapped) for number, size in left.items() if size >= large}
            if places:
                number = min(places, key=lambda each: _apart(places[each], last[which], wrapped))
                taken[which, frame] = in_frame == number
                last[which] = places[number]
                del left[number]
            elif np.isfinite(centre[frame, which]).all():
                last[which] = centre[frame, which]
    return taken


def _middle(mask: Mask, wrapped: int | None) -> Array:
    """(2,) x and y of a region's pixels, the circular mean where edges are joined."""
    middles = []
    for axis, at in enumerate(reversed(np.nonzero(mask))):
        angle = 2 * np.pi * (at + 0.5) / FRAME_SIZE
        around = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) % (2 * np.pi) * FRAME_SIZE / (2 * np.pi)
        middles.append(around if axis == wrapped else at.mean() + 0.5)
    return np.array(middles)


def _apart(one: Array, other: Array, wrapped: int | None) -> float:
    """Pixels between two places, the short way round; 0 if one is unknown."""
    offset = np.abs(np.nan_to_num(one - other))
    if wrapped is not None:
        offset[wrapped] = min(offset[wrapped], FRAME_SIZE - offset[wrapped])
    return float(np.hypot(*offset))
