"""Plain quantities of a clip, frame by frame: how far it moves, how sharp it stays, whether it drifts.

All on pixels as fractions of full range (0 to 1) and luma by ITU-R BT.601. A long clip that fades, freezes or turns to
mush shows it in one of these curves, against the curve of real clips.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)
_CHUNK = 16
_MIN_SQUARED_ERROR = 1e-10  # PSNR stops here, at 100 dB, as JSON has no infinity


@dataclass(frozen=True)
class FrameCurve:
    """A quantity with one value a frame. `resolution`: what 8-bit pixels cannot tell from zero, in its unit."""

    name: str
    unit: str
    first_frame: int  # 1 for quantities that compare a frame with an earlier one
    resolution: float


_QUARTER_LEVEL = 0.25 / 255

# Distances are to the first or the previous frame, pixels as fractions of full range.
CURVES = (
    FrameCurve("distance to first frame", "mean absolute difference", 1, _QUARTER_LEVEL),
    FrameCurve("motion energy", "mean squared difference", 1, _QUARTER_LEVEL**2),
    FrameCurve("sharpness", "variance of the Laplacian of luma", 0, _QUARTER_LEVEL**2),
    FrameCurve("brightness", "mean luma", 0, _QUARTER_LEVEL),
    FrameCurve("contrast", "standard deviation of luma", 0, _QUARTER_LEVEL),
)

PSNR_TO_REAL = FrameCurve("PSNR to real", "dB", 0, 0.0)
DIFFERENCE_TO_REAL = FrameCurve("difference to real", "mean absolute difference", 0, _QUARTER_LEVEL)


def clip_curves(clip: Tensor) -> Mapping[str, Array]:
    """Each of CURVES, by name, for a uint8 RGB clip (frames, 3, height, width); frames from the curve's first on."""
    first = clip[:1].float() / 255
    previous = first
    rows = []
    for frames in _chunks(clip):
        moved = torch.cat([previous, frames[:-1]])
        luma = sum(weight * frames[:, channel] for channel, weight in enumerate(_LUMA))
        assert isinstance(luma, torch.Tensor)
        rows.append(
            torch.stack(
                [
                    (frames - first).abs().mean(dim=(1, 2, 3)),
                    (frames - moved).square().mean(dim=(1, 2, 3)),
                    _laplacian(luma).var(dim=(1, 2), unbiased=False),
                    luma.mean(dim=(1, 2)),
                    luma.std(dim=(1, 2), unbiased=False),
                ]
            )
        )
        previous = frames[-1:]
    values = torch.cat(rows, dim=1).double().numpy()
    return {curve.name: values[index, curve.first_frame :] for index, curve in enumerate(CURVES)}


def curves_to_real(clip: Tensor, real: Tensor) -> Mapping[str, Array]:
    """PSNR and mean absolute difference of a clip to the real one of the same name, both (frames, 3, height, width)."""
    errors = []
    for generated, recorded in zip(_chunks(clip), _chunks(real), strict=True):
        difference = generated - recorded
        errors.append(torch.stack([difference.square().mean(dim=(1, 2, 3)), difference.abs().mean(dim=(1, 2, 3))]))
    squared, absolute = torch.cat(errors, dim=1).double().numpy()
    psnr = -10 * np.log10(np.maximum(squared, _MIN_SQUARED_ERROR))
    return {PSNR_TO_REAL.name: psnr, DIFFERENCE_TO_REAL.name: absolute}


def _chunks(clip: Tensor) -> Iterator[Tensor]:
    # A clip of 128 large frames fits in memory as bytes, not as floats with their intermediates.
    for frames in clip.split(_CHUNK):
        yield frames.float() / 255


def _laplacian(luma: Tensor) -> Tensor:
    """Four-neighbour Laplacian of (frames, height, width), without the border."""
    centre = luma[:, 1:-1, 1:-1]
    vertical = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    horizontal = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return vertical + horizontal - 4 * centre
