"""The contract of a feature network, and the checksum that traces its figures to its weights."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class FeatureExtractor(Protocol):
    """Clips in, one feature vector a clip out. Any object of this shape can be given to `evaluate`."""

    name: str  # as it is printed: "Fréchet distance, <name> features"
    dimension: int
    input_description: str  # size, colour and time handling: part of the protocol
    weights_sha256: str

    def __call__(self, clips: Tensor) -> Tensor:
        """uint8 RGB clips (batch, frames, 3, height, width) to float64 features (batch, dimension)."""
        ...


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of named tensors: names, shapes and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
