"""VideoMAE-v2 g, fine-tuned on Something-Something v2 (Wang et al., arXiv 2303.16727): features of cd-fvd.

They are the normalised mean of all tokens, before the classifier.
"""

import numpy as np
import torch
from torch import Tensor, nn

from exvideo_eval.features.published.video_transformer import TUBE, Shape, Trunk

GIANT = Shape(width=1408, depth=40, heads=16, hidden=6144, patch=14, key_bias=False)


class VideoMAE(Trunk):
    """Clips float32 (batch, 3, frames, height, width) in [0, 1] to features (batch, width)."""

    def __init__(self, shape: Shape = GIANT) -> None:
        super().__init__(shape)
        self.fc_norm = nn.LayerNorm(shape.width, eps=1e-6)

    def forward(self, clips: Tensor) -> Tensor:
        frames, height, width = clips.shape[2:]
        count = (frames // TUBE) * (height // self.shape.patch) * (width // self.shape.patch)
        positions = _sinusoids(count, self.shape.width).to(clips)
        features: Tensor = self.fc_norm(self.tokens(clips, positions).mean(dim=1))
        return features


def _sinusoids(count: int, width: int) -> Tensor:
    """Positions (1, count, width): sines at even places, cosines at odd ones (arXiv 1706.03762, section 3.5)."""
    channel = np.arange(width)
    angles = np.arange(count)[:, None] / np.power(10000, 2 * (channel // 2) / width)
    table = np.where(channel % 2 == 0, np.sin(angles), np.cos(angles))
    return torch.from_numpy(table).float()[None]
