"""What a step's samples are made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from exvideo_train.config import load_config
from exvideo_train.dataset import Clip
from exvideo_train.latent_cache import EncodedClip
from exvideo_train.step import Batch, training_batch

MakeConfig = Callable[..., Path]


class OneClip:
    """A cache in which every clip is the same."""

    def read(self, clip: Clip) -> EncodedClip:
        return EncodedClip(torch.ones(3, 4, 2, 2), torch.ones(4, 2, 2), torch.ones(5, 6), 8.0, 10)


def batch(path: Path, samples: list[int]) -> Batch:
    cache: Any = OneClip()
    clips = [Clip(Path("a.mp4"), 0, 3, 8.0, None)]
    return training_batch(load_config(path), cache, clips, 0, samples)


def test_the_asked_share_of_samples_is_without_conditions(make_config: MakeConfig) -> None:
    path = make_config(conditioning_dropout=0.25, **{"optimizer.batch_size": 400})
    made = batch(path, list(range(400)))
    without = made.embedding.flatten(1).sum(1) == 0
    assert 70 <= without.sum() <= 130  # 100, give or take three and a half deviations
    assert torch.equal(made.first_frame.flatten(1).sum(1) == 0, without)
    assert made.latents.min() == 1  # what is learnt stays
    assert torch.equal(batch(path, [7]).embedding[0], made.embedding[7])  # the sample's own draw, in whatever batch


def test_by_default_every_sample_has_its_conditions(make_config: MakeConfig) -> None:
    made = batch(make_config(), list(range(100)))
    assert made.first_frame.min() == made.embedding.min() == 1
