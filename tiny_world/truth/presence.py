"""Measures how much of a subject is in the picture, be it opaque or half-transparent.

The tracker finds subjects by their colour, and does not know one that an interpolator has faded into its background:
that is no subject that is unseen. Here each pixel's share of the subject is how far it lies on the way from the scene,
as the clip's spec describes it, to the subject's colour.
"""

from math import pi

import numpy as np
from numpy.typing import NDArray

from tiny_world.world.render import scene_of
from tiny_world.world.spec import COLOURS, SIZES, ClipSpec

LEAST_SHARE = 0.25  # of a pixel: less may be a scene that a codec or a model has blurred
ASTRAY = 0.3  # of how far a pixel is from the scene, aside of the way: the light edge of a post is 0.37 off pink's


def presence(frames: NDArray[np.uint8], spec: ClipSpec) -> NDArray[np.float64]:
    """(T,) the first subject in each frame, as a share of one that is whole and opaque; a second copy adds to it.

    Args:
        frames: uint8 (T, FRAME_SIZE, FRAME_SIZE, 3), RGB, of a clip whose subject keeps its colour and size.

    Raises:
        VideoError: the clip's scene is a photograph and the footage is not installed.
    """
    subject, scene = spec.subjects[0], scene_of(spec)
    way, offset = np.array(COLOURS[subject.colour], np.float32) - scene, frames - scene
    share = np.einsum("thwc,hwc->thw", offset, way / (way**2).sum(axis=-1, keepdims=True))
    astray = np.linalg.norm(offset - share[..., None] * way, axis=-1)
    counted = (share >= LEAST_SHARE) & (astray < ASTRAY * np.linalg.norm(offset, axis=-1))
    covered: NDArray[np.float64] = np.where(counted, np.minimum(share, 1), 0).sum(axis=(1, 2), dtype=np.float64)
    return covered / (pi * SIZES[subject.size] ** 2)
