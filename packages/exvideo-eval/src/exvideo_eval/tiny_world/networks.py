"""The judges' architecture: what a clip shows (`VideoClassifier`), and whether words go with a clip (`Matcher`).

Both look at each frame and its difference to the one before through strided convolutions, and then across frames with
a small transformer, so that they take clips of any length; they were trained on 8 to 40 frames.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FRAME_SIZE = 64  # pixels: what every frame is resized to
STAGES = (24, 48, 64, 96)  # channels after each halving
WIDTH = 128
HEADS = 4
LAYERS = 2
MAX_CAPTION_WORDS = 32  # words; later ones are not read


class ClipEncoder(nn.Module):
    """(batch, frames, 3, 64, 64) in [-1, 1] to (batch, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        channels = (6, *STAGES)  # 3 colours of the frame, 3 of its change
        self.stages = nn.ModuleList(nn.Conv2d(*pair, 3, stride=2, padding=1) for pair in pairwise(channels))
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in STAGES)
        side = FRAME_SIZE // 2 ** len(STAGES)
        self.to_token = nn.Linear(STAGES[-1] * side**2, WIDTH)
        self.across = _transformer()

    def forward(self, pixels: Tensor) -> Tensor:
        batch, frames = pixels.shape[:2]
        change = torch.diff(pixels, dim=1, prepend=pixels[:, :1])
        x = torch.cat([pixels, change], dim=2).flatten(0, 1)
        for stage, norm in zip(self.stages, self.norms, strict=True):
            x = F.silu(norm(stage(x)))
        tokens = self.to_token(x.flatten(1)).unflatten(0, (batch, frames))
        encoded: Tensor = self.across(tokens + _positions(frames, tokens))
        return encoded.mean(dim=1)


class VideoClassifier(nn.Module):
    """Log-odds of each class of each property.

    Args:
        properties: the classes of each property by its name, such as {"shape": ["circle", ...]}.
    """

    def __init__(self, properties: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.properties = {name: tuple(classes) for name, classes in properties.items()}
        self.encoder = ClipEncoder()
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, len(classes)) for name, classes in properties.items()})

    def features(self, pixels: Tensor) -> Tensor:
        """(batch, frames, 3, 64, 64) in [-1, 1] to (batch, WIDTH): what all heads read."""
        encoded: Tensor = self.encoder(pixels)
        return encoded

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Log-odds (batch, classes) by property."""
        features = self.features(pixels)
        return {name: head(features) for name, head in self.heads.items()}


class Matcher(nn.Module):
    """Embeds clips and captions on one unit sphere, where what belongs together is near.

    Args:
        num_words: size of the vocabulary; word 0 fills up, word 1 is any unknown one.
    """

    def __init__(self, num_words: int) -> None:
        super().__init__()
        self.video = ClipEncoder()
        self.words = nn.Embedding(num_words, WIDTH, padding_idx=0)
        self.across = _transformer()
        self.from_video = nn.Linear(WIDTH, WIDTH, bias=False)
        self.from_text = nn.Linear(WIDTH, WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def embed_clips(self, pixels: Tensor) -> Tensor:
        """(batch, frames, 3, 64, 64) in [-1, 1] to (batch, WIDTH) of length 1."""
        return F.normalize(self.from_video(self.video(pixels)), dim=-1)

    def embed_captions(self, words: Tensor) -> Tensor:
        """Word numbers (batch, words), filled up with 0, to (batch, WIDTH) of length 1."""
        mask = words != 0
        tokens = self.words(words)
        encoded = self.across(tokens + _positions(words.shape[1], tokens), src_key_padding_mask=~mask)
        weight = mask[..., None].to(encoded.dtype)
        return F.normalize(self.from_text((encoded * weight).sum(1) / weight.sum(1).clamp(min=1)), dim=-1)


def _transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)


def _positions(length: int, like: Tensor) -> Tensor:
    """Sines and cosines (length, WIDTH) of each place, as in "Attention Is All You Need", section 3.5."""
    place = torch.arange(length, device=like.device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, WIDTH, 2, device=like.device) * (-math.log(1e4) / WIDTH))
    return torch.cat([torch.sin(place * rate), torch.cos(place * rate)], dim=1).to(like.dtype)
