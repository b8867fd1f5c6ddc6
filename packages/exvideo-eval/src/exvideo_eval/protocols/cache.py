"""Features that were computed before: one file each, named by everything that they depend on."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from exvideo_eval.protocol import protocol_hash
from exvideo_eval.whole_file import replacing

logger = logging.getLogger(__name__)

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
        path = self._path(content)
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
        path = self._path(content)
        stored = {_FEATURES: features.to(torch.float64).contiguous(), _FRAMES: torch.tensor(num_frames)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                save_file(stored, temporary)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"The cache {self.folder} cannot be written ({error}): give another --cache.") from error

    def _path(self, content: str) -> Path:
        key = protocol_hash({"rule": self.rule_sha256, "content": content})
        return self.folder / key[:2] / f"{key}.safetensors"
