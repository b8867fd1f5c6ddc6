"""Dynamic degree: does a clip move at all (VBench, Huang et al., arXiv 2311.17982, with RAFT's flow in its place)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from exvideo_eval.metrics.unfit_clip import UnfitClipError
from exvideo_eval.metrics.warp_error import Flows, pairs_of

RATE = 8.0  # frames a second, that clips are thinned to
_PIXELS, _REFERENCE = 6.0, 256  # that a pair moves by, at that shorter side


@dataclass(frozen=True)
class Motion:
    """Motion of one clip: is it dynamic, and the mean length of its flow, in shorter sides a second."""

    is_dynamic: bool
    mean_flow: float


def motion_of(clip: Tensor, fps: float, flows: Flows) -> Motion:
    """Of a clip that is thinned to every round(fps / 8)-th frame.

    A pair of frames moves if the mean of its top 5% of flow is more than 6 min(height, width) / 256 pixels; a clip of n
    such frames is dynamic if round(n / 4), and 1 at least, or more of its pairs move. Motion of the camera counts.

    Args:
        clip: uint8 (frames, 3, height, width).
        fps: frames a second of it.
        flows: as of `warp_error`.

    Raises:
        UnfitClipError: as `thinned`.
    """
    kept = thinned(clip, fps)
    side = min(clip.shape[2:])
    lengths = torch.cat([_lengths(flows(*pair)) for pair in pairs_of(kept)])
    top = lengths.topk(max(1, int(lengths.shape[1] * 0.05)), dim=1).values.mean(dim=1)
    moving = int((top > _PIXELS * side / _REFERENCE).sum())
    needed = max(1, round(4 * len(kept) / 16))
    return Motion(moving >= needed, float(lengths.mean()) / side * fps / _step(fps))


def thinned(clip: Tensor, fps: float) -> Tensor:
    """Every round(fps / 8)-th frame of a clip (frames, 3, height, width).

    Raises:
        UnfitClipError: fewer than 2 frames are left, or the rate is not known.
    """
    if fps <= 0:
        raise UnfitClipError("does not tell its rate, and motion is measured at 8 frames a second: write it anew")
    kept = clip[:: _step(fps)]
    if len(kept) < 2:
        raise UnfitClipError(
            f"has {len(clip)} frames at {fps:g} a second, of which 8 a second, at which motion is measured, are one: "
            "give a longer clip"
        )
    return kept


def _step(fps: float) -> int:
    return max(1, round(fps / RATE))


def _lengths(flow: Tensor) -> Tensor:
    """From frame to frame (pairs, pixels) of flows from half-way to both (pairs, 4, height, width)."""
    return (flow[:, 2:] - flow[:, :2]).double().norm(dim=1).flatten(1).cpu()
