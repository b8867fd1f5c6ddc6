"""I3D, the inflated Inception-v1 (Carreira and Zisserman, arXiv 1705.07750, figure 3).

Parameters are named as in i3d_pretrained_400.pt. Convolutions and poolings pad as TensorFlow's "SAME" does: by what the
input's size needs, the odd one behind.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

_NUM_CLASSES = 400
# Of each Inception block: channels of its four branches, 1x1 / 1x1 and 3x3 / 1x1 and 3x3 / 1x1 after pooling.
_BLOCKS = {
    "Mixed_3b": (192, 64, (96, 128), (16, 32), 32),
    "Mixed_3c": (256, 128, (128, 192), (32, 96), 64),
    "Mixed_4b": (480, 192, (96, 208), (16, 48), 64),
    "Mixed_4c": (512, 160, (112, 224), (24, 64), 64),
    "Mixed_4d": (512, 128, (128, 256), (24, 64), 64),
    "Mixed_4e": (512, 112, (144, 288), (32, 64), 64),
    "Mixed_4f": (528, 256, (160, 320), (32, 128), 128),
    "Mixed_5b": (832, 256, (160, 320), (32, 128), 128),
    "Mixed_5c": (832, 384, (192, 384), (48, 128), 128),
}
_ORDER = (
    "Conv3d_1a_7x7",
    "MaxPool3d_2a_3x3",
    "Conv3d_2b_1x1",
    "Conv3d_2c_3x3",
    "MaxPool3d_3a_3x3",
    "Mixed_3b",
    "Mixed_3c",
    "MaxPool3d_4a_3x3",
    "Mixed_4b",
    "Mixed_4c",
    "Mixed_4d",
    "Mixed_4e",
    "Mixed_4f",
    "MaxPool3d_5a_2x2",
    "Mixed_5b",
    "Mixed_5c",
)


class InceptionI3d(nn.Module):
    """Clips float32 (batch, 3, frames >= 9, 224, 224) in [-1, 1] to logits (batch, 400), averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, stride=2)
        self.MaxPool3d_2a_3x3 = _SamePool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = _SamePool((1, 3, 3), (1, 2, 2))
        self.MaxPool3d_4a_3x3 = _SamePool((3, 3, 3), (2, 2, 2))
        self.MaxPool3d_5a_2x2 = _SamePool((2, 2, 2), (2, 2, 2))
        for name, channels in _BLOCKS.items():
            self.add_module(name, _Inception(*channels))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(1024, _NUM_CLASSES, kernel_size=1)})

    def forward(self, clips: Tensor) -> Tensor:
        x = clips
        for name in _ORDER:
            x = self.get_submodule(name)(x)
        x = nn.functional.avg_pool3d(x, kernel_size=(2, 7, 7), stride=1)
        logits: Tensor = self.logits["conv3d"](x)
        return logits.squeeze(3).squeeze(3).mean(dim=2)


class _Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv3d(_same(x, self.conv3d.kernel_size, self.conv3d.stride))))


class _SamePool(nn.Module):
    """Maximum over windows; what is padded counts as 0, as activations are never less."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool3d(_same(x, self.kernel, self.stride), self.kernel, self.stride)


class _Inception(nn.Module):
    def __init__(self, inputs: int, one: int, middle: tuple[int, int], small: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.b0 = _Unit(inputs, one, 1)
        self.b1a, self.b1b = _Unit(inputs, middle[0], 1), _Unit(*middle, 3)
        self.b2a, self.b2b = _Unit(inputs, small[0], 1), _Unit(*small, 3)
        self.b3a, self.b3b = _SamePool((3, 3, 3), (1, 1, 1)), _Unit(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        return torch.cat(branches, dim=1)


def _same(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around (batch, channels, time, height, width), so that ceil(size / stride) windows fit."""
    margins: list[int] = []
    for size, window, step in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(window - (size % step or step), 0)
        margins += [total // 2, total - total // 2]
    return pad(x, margins)
