"""One optimizer step: its samples, their noise, the answer of the network, and the loss of that."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from exvideo_blocks import Family, Objective
from exvideo_infer import Conditions
from torch import Tensor

from exvideo_train.config import TrainConfig
from exvideo_train.data.latent_cache import EncodedClip, LatentCache
from exvideo_train.noise import keyed_generator
from exvideo_train.order import ClipOrder
from exvideo_train.time_noise import with_time_noise


@dataclass(frozen=True)
class Batch:
    """Clean clips with the noise that they get.

    Args:
        latents, noise: (batch, frames, ...).
        level: noise levels, (batch,).
        conditions: of the same batch.
    """

    latents: Tensor
    noise: Tensor
    level: Tensor
    conditions: Conditions

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Task:
    """A model's family and objective: how the network is asked, and its answer judged."""

    family: Family
    objective: Objective

    def predict(self, network: Any, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The network's answer for a batch, and the input that it belongs to, both fp32.

        Args:
            network: of the family, or a wrapper of one.
            dtype: of the network's weights.
        """
        model_input, time = self.objective.precondition(batch.latents, batch.noise, batch.level)
        return self.family.call(network, model_input.to(dtype), time, batch.conditions).float(), model_input

    def loss(self, network: Any, batch: Batch, dtype: torch.dtype) -> Tensor:
        """The loss of each sample, (batch,) in fp32."""
        prediction, model_input = self.predict(network, batch, dtype)
        return self.objective.loss(prediction, model_input, batch.latents, batch.noise, batch.level)


def collate(clips: list[EncodedClip], levels: list[Tensor], noises: list[Tensor]) -> Batch:
    """Stacks clips, each with its noise level and its noise, into a batch."""
    return Batch(
        latents=torch.stack([clip.latents for clip in clips]),
        noise=torch.stack(noises),
        level=torch.stack(levels),
        conditions=Conditions.cat([clip.conditions for clip in clips]),
    )


def training_batch(
    config: TrainConfig, objective: Objective, cache: LatentCache, order: ClipOrder, step: int, samples: list[int]
) -> Batch:
    """The given samples of a step.

    Args:
        objective: draws the noise levels.
        order: of the clips.
        step: from 0.
        samples: indices within the step's global batch. A sample's clip, level and noise depend on (seed, step, index)
            alone, not on which process or micro-batch computes it; so does whether it is without its conditions.
    """
    encoded, levels, noises = [], [], []
    for index in samples:
        variants, variant = config.noise_augmentation.variants, None
        if variants:
            generator = keyed_generator(config.seed, "augmentation", step, index)
            variant = int(torch.randint(variants, (), generator=generator))
        clip = cache.read(order.clip(step, index), variant)
        level = objective.draw(keyed_generator(config.seed, "sigma", step, index), clip.tokens)
        if config.time_noise.maximum:
            generator = keyed_generator(config.seed, "time noise", step, index)
            clip = replace(clip, conditions=with_time_noise(clip.conditions, level, config.time_noise, generator))
        chance = torch.rand((), generator=keyed_generator(config.seed, "dropout", step, index))
        if chance < config.conditioning_dropout:
            clip = replace(clip, conditions=clip.conditions.without())
        encoded.append(clip)
        levels.append(level)
        noises.append(torch.randn(clip.latents.shape, generator=keyed_generator(config.seed, "noise", step, index)))
    return collate(encoded, levels, noises)
