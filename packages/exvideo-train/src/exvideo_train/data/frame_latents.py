"""Latents of the frames of a video by a base that encodes frames apart: each once, written block by block."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from exvideo_infer import Base
from numpy.typing import NDArray
from torch import Tensor

from exvideo_train.data.encoded_file import BLOCK, EncodedFile

# Always so many, the last ones filled up: an autoencoder's answer for a frame depends, in its last bits, on the number
# of frames beside it, and what is cached must not depend on where a run was killed.
AT_ONCE = 8

Picture = NDArray[np.uint8]  # (height, width, 3)


class FrameLatents:
    """Takes the frames of a video in their order, and writes their latents.

    Args:
        file: where to.
        wanted: places of the frames that clips need; those that are there already are lacking no more.
        base: what encodes.
    """

    def __init__(self, file: EncodedFile, wanted: Iterable[int], base: Base) -> None:
        self._file, self._base = file, base
        self.lacking = set(wanted) - file.frames()
        self._pending: list[tuple[int, Picture]] = []
        self._encoded: dict[int, Tensor] = {}

    def add(self, place: int, picture: Picture) -> None:
        """Takes the next frame; raises UserError if the cache cannot be written to."""
        if place not in self.lacking:
            return
        self._pending.append((place, picture))
        if len(self._pending) == AT_ONCE:
            self._encode()

    def finish(self) -> None:
        """Encodes and writes what was taken; raises as `add`."""
        if self._pending:
            self._encode()
        self._write(self._encoded)

    def _encode(self) -> None:
        places, pictures = zip(*self._pending, strict=True)
        self._pending = []
        filled = [*pictures, *pictures[-1:] * (AT_ONCE - len(pictures))]
        latents = self._base.encode_frames(as_frames(filled))[: len(pictures)]
        self._encoded |= dict(zip(places, latents.half().cpu(), strict=True))
        self._write([place for place in self._encoded if place // BLOCK < places[-1] // BLOCK])

    def _write(self, places: Iterable[int]) -> None:
        blocks: dict[int, dict[int, Tensor]] = {}
        for place in list(places):
            blocks.setdefault(place // BLOCK, {})[place] = self._encoded.pop(place)
        for latents in blocks.values():
            self._file.add_latents(latents)
            self.lacking -= latents.keys()


def as_frames(pictures: Sequence[Picture]) -> Tensor:
    """Pictures as bases take them: (frames, 3, height, width), in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
