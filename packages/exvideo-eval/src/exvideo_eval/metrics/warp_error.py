"""Warp error: adjacent frames brought over each other along the flow (Lai et al., arXiv 1808.00449), half-way."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

Flows = Callable[[Tensor, Tensor], Tensor]

_PAIRS = 8  # whose flow is computed at a time
_RELATIVE, _ABSOLUTE = 0.01, 0.5


def pairs_of(clip: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Adjacent frames of a uint8 clip (frames, 3, height, width), a few at a time, as floats in [0, 1]."""
    for start in range(0, len(clip) - 1, _PAIRS):
        frames = clip[start : min(start + _PAIRS, len(clip) - 1) + 1].float() / 255
        yield frames[:-1], frames[1:]


def warp_error(clip: Tensor, flows: Flows) -> tuple[float, float]:
    """Mean absolute difference of adjacent frames where the flow says that both show the same, and its share.

    A pixel counts if it stays inside both frames and its two flows are opposite, by the rule for occlusion of Sundaram
    et al. (ECCV 2010): |u + v|^2 <= 0.01 (|u|^2 + |v|^2) + 0.5. A frozen clip has next to 0,
    the best there is.

    Args:
        clip: uint8 (frames, 3, height, width), 2 frames or more.
        flows: from frames before and after, (batch, 3, height, width) in [0, 1], to the flow from half-way to both,
            (batch, 4, height, width), x and y each, in pixels.

    Returns:
        The difference, as a fraction of full range (0 where nothing counts), and the share of pixels that count.

    Raises:
        ValueError: fewer than 2 frames.
    """
    if len(clip) < 2:
        raise ValueError(f"Warp error is of adjacent frames, and a clip has {len(clip)}: give 2 or more.")
    error = counted = pixels = 0.0
    for before, after in pairs_of(clip):
        flow = flows(before, after).to(before.device)
        (first, inside), (second, also) = warped(before, flow[:, :2]), warped(after, flow[:, 2:])
        seen = inside & also & ~_occluded(flow)
        difference = (first - second).abs().mean(dim=1).double()
        error += float((difference * seen).sum())
        counted += float(seen.sum())
        pixels += seen.numel()
    return error / max(counted, 1.0), counted / pixels


def warped(frames: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (batch, 3, height, width) fetched along a flow (batch, 2, height, width), and where it stays inside them.

    Bilinear between pixels. The second is of booleans (batch, height, width).
    """
    height, width = frames.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = columns + flow[:, 0], rows + flow[:, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)
    return grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=True), inside


def _occluded(flow: Tensor) -> Tensor:
    """(batch, height, width), where two flows (batch, 4, height, width) from one point are not opposite."""
    first, second = flow[:, :2], flow[:, 2:]
    together = (first + second).square().sum(dim=1)
    return together > _RELATIVE * (first.square().sum(dim=1) + second.square().sum(dim=1)) + _ABSOLUTE
