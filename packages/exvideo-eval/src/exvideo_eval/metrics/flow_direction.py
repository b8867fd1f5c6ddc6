"""Direction of motion beside a real clip's: the cosine of two flow fields, which turns its sign where time does.

No distance of features tells a clip from itself played backwards, and no mean of a clip does. Where a clip begins with
a real one's first frame, that one says which way things went: once, as in PSNR, of all the ways they might go.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from exvideo_eval.metrics.dynamic_degree import thinned
from exvideo_eval.metrics.warp_error import Flows, pairs_of

Array = NDArray[np.float64]

CELLS = 4  # a side: a zoom has no direction as a whole
STILL = 1 / 1024  # of the shorter side, that a cell moves from frame to frame, root mean square


def flow_of_cells(clip: Tensor, fps: float, flows: Flows) -> Array:
    """Mean flow over time and cell, in shorter sides from frame to frame: x then y, (2 x 4 x 4,).

    Args:
        clip: uint8 (frames, 3, height, width), thinned to every round(fps / 8)-th frame.
        fps: frames a second of it.
        flows: as of `warp_error`.

    Raises:
        UnfitClipError: as `thinned`.
    """
    kept = thinned(clip, fps)
    found = torch.cat([_moved(flows(*pair)) for pair in pairs_of(kept)]).mean(dim=0)
    cells: Array = adaptive_avg_pool2d(found, CELLS).flatten().cpu().numpy() / min(clip.shape[2:])
    return cells


def flow_cosine(one: Array, other: Array) -> float:
    """Cosine of two such fields, in [-1, 1]: 1 for the same directions, -1 backwards; 0 if either is still."""
    lengths = [float(np.linalg.norm(field)) for field in (one, other)]
    if min(lengths) < STILL * CELLS:  # root of the number of cells
        return 0.0
    return float(np.clip(one @ other / (lengths[0] * lengths[1]), -1.0, 1.0))


def _moved(flow: Tensor) -> Tensor:
    """From frame to frame (pairs, 2, height, width), of flows from half-way to both."""
    return (flow[:, 2:] - flow[:, :2]).double()
