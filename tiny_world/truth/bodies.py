"""Counts the separate bodies in masks of frames; where opposite edges are joined, across these edges too."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_IN_ONE_FRAME = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # corners touch, frames do not


def count_bodies(mask: NDArray[np.bool_], least: float, whole: float, wrapped: int | None) -> NDArray[np.int64]:
    """(T,) the bodies in each frame of a mask (T, height, width).

    A region as large as several whole bodies counts as so many, rounded: touching makes them no fewer.

    Args:
        least: pixels of a region that counts.
        whole: pixels of one body.
        wrapped: axis (0 is x) along which opposite edges are joined; None for neither.
    """
    regions = regions_of(mask, wrapped)
    numbers, first, areas = np.unique(regions, return_index=True, return_counts=True)
    inside = numbers > 0
    frames, areas = first[inside] // mask[0].size, areas[inside]
    bodies = np.where(areas >= least, np.maximum(1, np.round(areas / whole)), 0)
    return np.bincount(frames, bodies, minlength=len(mask)).astype(np.int64)


def regions_of(mask: NDArray[np.bool_], wrapped: int | None) -> NDArray[np.int64]:
    """The number of each pixel's region in a mask (T, height, width), of the same shape; 0 outside."""
    regions, number = ndimage.label(mask, _IN_ONE_FRAME)
    if wrapped is None:
        return np.asarray(regions, np.int64)
    first, last = (np.take(regions, end, axis=2 - wrapped) for end in (0, -1))
    touching = (first > 0) & (last > 0)
    edges = np.ones(touching.sum()), (first[touching], last[touching])
    _, joined = connected_components(coo_matrix(edges, shape=(number + 1, number + 1)), directed=False)
    return np.where(regions > 0, joined[regions] + 1, 0).astype(np.int64)
