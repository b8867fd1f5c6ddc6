"""The two layers that ExVideo adds: a trainable row per frame, and a 3D convolution that starts as the identity."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrameTable(nn.Module):
    """Trainable positions: one row of `channels` numbers a frame, replacing a fixed sinusoidal embedding.

    Args:
        rows: (frames, channels) initial values; the table takes their dtype and device.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(rows.clone())

    def forward(self, num_frames: int) -> Tensor:
        """The rows of the first `num_frames` frames, (num_frames, channels).

        Raises:
            ValueError: more frames than the table has rows.
        """
        if num_frames > self.weight.shape[0]:
            raise ValueError(
                f"num_frames={num_frames} is beyond the {self.weight.shape[0]} frames of this extension; "
                f"ask for at most {self.weight.shape[0]}, or train a longer extension."
            )
        return self.weight[:num_frames]


class IdentityConv3d(nn.Conv3d):
    """3x3x3 convolution over (batch, channels, frames, height, width) that starts as the identity, bit for bit.

    Edges are reflected. An axis of length 1 has no neighbour to reflect: its own value stands in, so a single frame
    or a one-row latent passes.
    """

    def __init__(self, channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__(channels, channels, kernel_size=3, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.zero_()
            assert self.bias is not None
            self.bias.zero_()
            self.weight[:, :, 1, 1, 1] = torch.eye(self.out_channels, device=self.weight.device)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(_pad_by_reflection(input))


def _pad_by_reflection(x: Tensor) -> Tensor:
    if min(x.shape[2:]) >= 2:
        return F.pad(x, (1, 1, 1, 1, 1, 1), mode="reflect")
    for axis in (2, 3, 4):
        length = x.shape[axis]
        before, after = min(1, length - 1), max(length - 2, 0)
        x = torch.cat([x.narrow(axis, before, 1), x, x.narrow(axis, after, 1)], dim=axis)
    return x
