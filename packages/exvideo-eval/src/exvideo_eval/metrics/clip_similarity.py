"""Cosines of CLIP embeddings: of frames with their caption (CLIP score), and of adjacent frames (temporal CLIP).

CLIP score: Hessel et al., arXiv 2104.08718, without its factor 2.5, as torchmetrics reports it: 100 times the mean
cosine of all samples, at least 0. Temporal CLIP: Esser et al., arXiv 2302.03011, "frame consistency".
"""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.unfit_clip import UnfitClipError

Array = NDArray[np.float64]


def text_similarity(frames: NDArray[np.floating], text: NDArray[np.floating]) -> float:
    """Mean over frames of the cosine of a frame's embedding (frames, dimension) with a caption's (dimension,), raw.

    Raises:
        UnfitClipError: an embedding is of length 0 or not finite.
    """
    return float((_unit(frames) @ _unit(text)).mean())


def frame_consistency(frames: NDArray[np.floating]) -> float:
    """Mean cosine of each frame's embedding with that of the next; a frozen clip has 1.

    Args:
        frames: (frames, dimension), at least two.

    Raises:
        UnfitClipError: there is one frame, or an embedding is of length 0 or not finite.
    """
    if len(frames) < 2:
        raise UnfitClipError("has one frame, which has no next: give one of at least two")
    units = _unit(frames)
    return float((units[:-1] * units[1:]).sum(axis=1).mean())


def clip_score(cosines: NDArray[np.floating]) -> float:
    """100 times the mean of raw cosines (clips,), and 0 where that is negative: torchmetrics' CLIP score."""
    return 100 * max(0.0, float(np.asarray(cosines, dtype=np.float64).mean()))


def _unit(embeddings: NDArray[np.floating]) -> Array:
    values = np.asarray(embeddings, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    if not np.isfinite(lengths).all() or lengths.min() == 0:
        raise UnfitClipError("has an embedding of length 0 or not finite: look at it, or take another network")
    unit: Array = values / lengths
    return unit
