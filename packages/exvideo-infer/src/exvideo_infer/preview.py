"""Previews of clips in the making: from latents to small pictures by one matrix, fitted to a base's own decoder.

    pixels = matrix^T neighbourhood + bias

of each latent: its neighbourhood is 3x3 latents, its pixels 2x2 of red, green and blue. A linear map of so few numbers
shows a step's predicted clean latents at next to no cost. It is the least-squares fit to what the decoder makes of the
same latents, at two pixels a latent along each side.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from exvideo_infer.bases.error import BaseModelError
from exvideo_infer.decode import decode_frames
from exvideo_infer.video_file import whole

FILE = "preview.json"
NEIGHBOURS = 3  # latents along each side, of which the pixels of one are made
SCALE = 2  # pixels a latent, along each side
COLOURS = 3 * SCALE**2
MOST_FRAMES = 32  # of a clip in the making that are shown


@dataclass(frozen=True)
class Preview:
    """A fitted matrix.

    Args:
        matrix: (channels * 9, 12), fp32; rows by channel, then place in the neighbourhood, row by row; columns by
            colour, then place in the 2x2 pixels.
        bias: (12,), fp32; colours are in [0, 1].
    """

    matrix: Tensor
    bias: Tensor

    def __call__(self, latents: Tensor) -> NDArray[np.uint8]:
        """Pictures (frames, 2 height, 2 width, 3), 0 to 255.

        Args:
            latents: (frames, channels, height, width), clean, in the network's scale; moved to the CPU.
        """
        colours = (_neighbourhoods(latents.detach().float().cpu()) @ self.matrix + self.bias).movedim(-1, 1)
        pictures = functional.pixel_shuffle(colours, SCALE).movedim(1, -1)
        pixels: NDArray[np.uint8] = (pictures.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        return pixels

    def save(self, directory: str | Path) -> None:
        """Writes `preview.json` into a base's folder, where `load_preview` finds it."""
        path = Path(directory) / FILE
        rounded = {name: np.round(getattr(self, name).double().numpy(), 6).tolist() for name in ("matrix", "bias")}
        with whole(path) as temporary:
            temporary.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def fit_preview(vae: Any, clips: Iterable[Tensor]) -> Preview:
    """Fits a preview to a base's decoder.

    Args:
        vae: the base's.
        clips: latents (frames, channels, height, width) in the network's scale, as `encode_for` gives them: some
            hundred frames of the kind of clips that are made.

    Raises:
        ValueError: there are fewer latents than the matrix has rows.
    """
    squares: Tensor | None = None
    products, count = torch.zeros(0), 0
    for latents in clips:
        frames = torch.stack(list(decode_frames(vae, latents))).cpu()
        height, width = latents.shape[-2:]
        means = functional.interpolate(frames, (SCALE * height, SCALE * width), mode="area")
        colours = functional.pixel_unshuffle(means, SCALE).movedim(1, -1).flatten(0, -2).double()
        rows = _neighbourhoods(latents.detach().double().cpu()).flatten(0, -2)
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
        squares = rows.T @ rows + (0 if squares is None else squares)
        products = rows.T @ colours + (0 if count == 0 else products)
        count += len(rows)
    if squares is None or count < len(squares):
        raise ValueError(f"A preview was to be fitted to {count} latents: give some clips of varied pictures.")
    # By pseudo-inverse: channels that never vary leave the equations without a unique solution.
    solution = (torch.linalg.pinv(squares, hermitian=True) @ products).float()
    return Preview(solution[:-1], solution[-1])


def load_preview(directory: str | Path) -> Preview | None:
    """The preview in a base's folder; None where it has none.

    Raises:
        BaseModelError: its file is damaged.
    """
    path = Path(directory) / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        matrix, bias = (torch.tensor(values[name], dtype=torch.float32) for name in ("matrix", "bias"))
        if matrix.ndim != 2 or matrix.shape[1] != COLOURS or bias.shape != (COLOURS,):
            raise ValueError(f"matrix {tuple(matrix.shape)}, bias {tuple(bias.shape)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"no matrix of {COLOURS} columns and its bias"
        raise BaseModelError(f"{path} holds {what} ({error}): fit it again.") from error
    return Preview(matrix, bias)


def spread(latents: Tensor) -> Tensor:
    """Those of a clip's latents (frames, ...) that are shown of it: all, or 32 from the first to the last.

    So a preview is bounded, however long the clip is.
    """
    if len(latents) <= MOST_FRAMES:
        return latents
    return latents[torch.linspace(0, len(latents) - 1, MOST_FRAMES).round().long()]


def _neighbourhoods(latents: Tensor) -> Tensor:
    """(frames, height, width, channels * 9) of (frames, channels, height, width); the edge repeats beyond itself."""
    padded = functional.pad(latents, [NEIGHBOURS // 2] * 4, mode="replicate")
    return functional.unfold(padded, NEIGHBOURS).unflatten(-1, latents.shape[-2:]).movedim(1, -1)
