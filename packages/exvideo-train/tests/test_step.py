"""The samples of a step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_infer import Conditions
from exvideo_train.config import load_config
from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import EncodedClip
from exvideo_train.order import ClipOrder
from exvideo_train.step import Batch, training_batch

MakeConfig = Callable[..., Path]


class OneClip:
    """A cache in which every clip is the same."""

    def read(self, clip: Clip, variant: int | None = None) -> EncodedClip:
        time_ids = torch.ones(1, 3) if variant is None else torch.tensor([[1.0, 1.0, variant]])
        conditions = Conditions(torch.ones(1, 5, 6), torch.ones(1, 4, 2, 2), time_ids)
        return EncodedClip(torch.ones(3, 4, 2, 2), conditions)


def batch(path: Path, samples: list[int]) -> Batch:
    cache: Any = OneClip()
    clips = [Clip(Path("a.mp4"), 0, 3, 8.0, (16, 16))]
    config = load_config(path)
    order = ClipOrder(clips, config.seed, config.optimizer.batch_size)
    return training_batch(config, SigmaObjective(), cache, order, 0, samples)


def test_the_asked_share_of_samples_is_without_conditions(make_config: MakeConfig) -> None:
    path = make_config(conditioning_dropout=0.25, **{"optimizer.batch_size": 400})
    made = batch(path, list(range(400)))
    without = made.conditions.tokens.flatten(1).sum(1) == 0
    assert 70 <= without.sum() <= 130  # 100, give or take three and a half deviations
    assert made.conditions.first_frame is not None
    assert torch.equal(made.conditions.first_frame.flatten(1).sum(1) == 0, without)
    assert made.latents.min() == 1  # what is learnt stays
    assert torch.equal(
        batch(path, [7]).conditions.tokens[0], made.conditions.tokens[7]
    )  # the sample's own draw, in whatever batch


def test_by_default_every_sample_has_its_conditions(make_config: MakeConfig) -> None:
    made = batch(make_config(), list(range(100)))
    assert made.conditions.first_frame is not None
    assert made.conditions.first_frame.min() == made.conditions.tokens.min() == 1


def test_every_sample_draws_a_variant_of_its_first_frame(make_config: MakeConfig) -> None:
    path = make_config(**{"optimizer.batch_size": 400, "noise_augmentation.variants": 4})
    made = batch(path, list(range(400)))
    assert made.conditions.time_ids is not None
    variants = made.conditions.time_ids[:, 2]
    assert all(70 <= (variants == number).sum() <= 130 for number in range(4))
    alone = batch(path, [7]).conditions.time_ids
    assert alone is not None
    assert alone[0, 2] == variants[7]  # the sample's own draw, in whatever batch
    plain = batch(make_config(**{"optimizer.batch_size": 400}), list(range(400)))
    assert torch.equal(plain.noise, made.noise)  # no other draw is moved
    assert torch.equal(plain.level, made.level)


def test_a_clip_says_how_many_tokens_it_has() -> None:
    assert OneClip().read(Clip(Path("a.mp4"), 0, 3, 8.0, (16, 16))).tokens == 3 * 2 * 2
