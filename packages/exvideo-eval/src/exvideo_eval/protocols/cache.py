"""Features that were computed before: one file each, named by everything that they depend on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from exvideo_eval.protocol import protocol_hash
from exvideo_eval.whole_file import replacing

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

_FEATURES, _FRAMES = "features", "frames"


@dataclass(frozen=True)
class FeatureCache:
    """Features of files under one rule, in a folder that processes and runs may share.

    Args:
        folder: made when something is put into it.
        rule_sha256: of everything that the features of a content depend on.
    """

    folder: Path
    rule_sha256: str

    def get(self, content: str) -> tuple[Tensor, int] | None:
        """Features, float64, and the number of frames of the file; None if there are none, or none that can be read."""
        path = self.path(content)
        if not path.is_file():
            return None
        try:
            stored = load_file(path)
            return stored[_FEATURES], int(stored[_FRAMES])
        except (OSError, SafetensorError, LookupError) as error:
            logger.warning("%s cannot be read (%s): its file is measured again", path, error)
            return None

    def put(self, content: str, features: Tensor, num_frames: int) -> None:
        """Write an entry, whole or not at all. Raises ValueError if it cannot be written."""
        path = self.path(content)
        stored = {_FEATURES: features.to(torch.float64).contiguous(), _FRAMES: torch.tensor(num_frames)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                save_file(stored, temporary)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"The cache {self.folder} cannot be written ({error}): give another --cache.") from error

    def path(self, content: str) -> Path:
        key = protocol_hash({"rule": self.rule_sha256, "content": content})
        return self.folder / key[:2] / f"{key}.safetensors"


class FileFeatures(Sequence[Array]):
    """Features of files, one array each, of which those that are in a cache stay there until one is asked for."""

    def __init__(self, places: Sequence[Array | Path]) -> None:
        self._places = tuple(places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> "FileFeatures": ...
    def __getitem__(self, index: int | slice) -> "Array | FileFeatures":
        if isinstance(index, slice):
            return FileFeatures(self._places[index])
        place = self._places[index]
        return load_file(place)[_FEATURES].numpy() if isinstance(place, Path) else place
