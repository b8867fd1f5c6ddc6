"""Features of a 3D convolutional network with random weights: the floor that needs nothing to be installed.

Random filters see texture, contrast and motion, and know nothing of content. The weights come from a seed through
integer arithmetic alone, so that they are the same bits with every version of torch and numpy.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv3d, interpolate

from exvideo_eval.features.extractor import weights_digest

_SIZE = 64
_CHANNELS = (3, 16, 32, 64, 64)


class Random3DFeatures:
    """Mean and standard deviation over time and space of each channel after each of four 3x3x3 convolutions + ReLU."""

    dimension = 2 * sum(_CHANNELS[1:])
    input_description = f"RGB, whole frame to {_SIZE}x{_SIZE} (bilinear, antialiased), mean and deviation of 4 layers"

    def __init__(self, seed: int = 0, device: str = "cpu") -> None:
        self.name = f"random 3D network, seed {seed}"
        self._kernels = [kernel.to(device) for kernel in _random_kernels(seed)]
        self.weights_sha256 = weights_digest({str(index): kernel for index, kernel in enumerate(self._kernels)})

    def __call__(self, clips: Tensor) -> Tensor:
        """uint8 RGB clips (batch, frames, 3, height, width) to float64 features (batch, 352), all >= 0."""
        batch, frames = clips.shape[:2]
        with torch.inference_mode():
            images = clips.flatten(0, 1).to(self._kernels[0].device).float()
            pixels = interpolate(images, size=(_SIZE, _SIZE), mode="bilinear", antialias=True, align_corners=False)
            x = (pixels / 127.5 - 1).unflatten(0, (batch, frames)).transpose(1, 2)
            features = []
            for kernel in self._kernels:
                x = conv3d(x, kernel, stride=(1, 2, 2), padding=1).relu()
                features += [x.mean(dim=(2, 3, 4)), x.std(dim=(2, 3, 4), unbiased=False)]
            return torch.cat(features, dim=1).double()


def _random_kernels(seed: int) -> list[Tensor]:
    """Kernels (out, in, 3, 3, 3), uniform with the variance 2 / fan-in that keeps activations alive through ReLU."""
    # Raw 64-bit outputs of PCG64 are fixed for ever; numpy's distributions and torch's generators may change.
    bits = np.random.PCG64(seed)
    kernels = []
    for in_channels, out_channels in pairwise(_CHANNELS):
        shape = (out_channels, in_channels, 3, 3, 3)
        raw = np.asarray(bits.random_raw(math.prod(shape)), dtype=np.uint64)
        uniform = (raw >> np.uint64(11)) * 2.0**-53 * 2 - 1
        bound = math.sqrt(3 * 2 / (in_channels * 27))
        kernels.append(torch.from_numpy((uniform * bound).astype(np.float32).reshape(shape)))
    return kernels
