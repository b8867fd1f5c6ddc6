"""Change between frames that stand d apart: how far a clip gets in d frames, early drift and late drift alike."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

DISTANCES = (1, 4, 16, 64, 256)  # frames


def changes(clip: Tensor, distance: int) -> Array:
    """Mean absolute difference, in [0, 1], of each frame and the one `distance` later: (frames - distance,).

    Args:
        clip: uint8 (frames, 3, height, width).

    Raises:
        ValueError: the distance is below 1, or the clip has no frames so far apart.
    """
    if not 1 <= distance < len(clip):
        raise ValueError(f"The frame distance is {distance}: give 1 to {len(clip) - 1}, as the clip has frames.")
    # Frame by frame, as a long clip fits in memory as bytes only.
    pairs = zip(clip[:-distance], clip[distance:], strict=True)
    return np.array([float((later.int() - earlier.int()).abs().double().mean()) / 255 for earlier, later in pairs])
