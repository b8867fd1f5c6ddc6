"""One optimizer step: which samples it takes, what noise they get, what the network sees, what it should have said."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from exvideo_blocks.families import svd
from exvideo_infer.conditioning import added_time_ids
from torch import Tensor

from exvideo_train.config import TrainConfig
from exvideo_train.dataset import Clip
from exvideo_train.latent_cache import EncodedClip, LatentCache
from exvideo_train.noise import clip_of_sample, draw_sigma, keyed_generator


@dataclass(frozen=True)
class Batch:
    """Clean clips with the noise that they get.

    Args:
        latents, noise: (batch, frames, channels, height, width).
        sigma: (batch, 1, 1, 1, 1).
        first_frame: (batch, channels, height, width).
        embedding: (batch, tokens, dimension).
        time_ids: (batch, 3): fps - 1, motion bucket, noise augmentation.
    """

    latents: Tensor
    noise: Tensor
    sigma: Tensor
    first_frame: Tensor
    embedding: Tensor
    time_ids: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


def collate(clips: list[EncodedClip], sigmas: list[Tensor], noises: list[Tensor]) -> Batch:
    """Stacks clips into a batch. The first frame is clean: noise augmentation is 0, as published."""
    return Batch(
        latents=torch.stack([clip.latents for clip in clips]),
        noise=torch.stack(noises),
        sigma=torch.stack(sigmas).view(-1, 1, 1, 1, 1),
        first_frame=torch.stack([clip.first_frame for clip in clips]),
        embedding=torch.stack([clip.embedding for clip in clips]),
        time_ids=torch.cat([
            added_time_ids(clip.fps, clip.motion_bucket_id, 0.0, 1, torch.float32, "cpu") for clip in clips
        ]),
    )  # fmt: skip


def training_batch(config: TrainConfig, cache: LatentCache, clips: list[Clip], step: int, samples: list[int]) -> Batch:
    """The given samples of a step.

    Args:
        step: from 0.
        samples: indices within the step's global batch. A sample's clip, sigma and noise depend on (seed, step, index)
            alone, not on which process or micro-batch computes it; so does whether it is without its conditions.
    """
    encoded, sigmas, noises = [], [], []
    for index in samples:
        number = step * config.optimizer.batch_size + index
        clip = cache.read(clips[clip_of_sample(config.seed, number, len(clips))])
        chance = torch.rand((), generator=keyed_generator(config.seed, "dropout", step, index))
        encoded.append(without_conditions(clip) if chance < config.conditioning_dropout else clip)
        sigmas.append(draw_sigma(config.noise, keyed_generator(config.seed, "sigma", step, index)))
        noises.append(torch.randn(clip.latents.shape, generator=keyed_generator(config.seed, "noise", step, index)))
    return collate(encoded, sigmas, noises)


def without_conditions(clip: EncodedClip) -> EncodedClip:
    """The clip as the sampler's unconditional half sees it: zeros for the first frame and every token."""
    first_frame, embedding = torch.zeros_like(clip.first_frame), torch.zeros_like(clip.embedding)
    return replace(clip, first_frame=first_frame, embedding=embedding)


def predict(network: Any, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The network's v for a batch, and the scaled input it belongs to, both fp32.

    Args:
        network: a UNetSpatioTemporalConditionModel or what wraps it.
        dtype: of the network's weights.
    """
    model_input = svd.scale_input(batch.latents + batch.sigma * batch.noise, batch.sigma)
    condition = batch.first_frame[:, None].expand(-1, batch.latents.shape[1], -1, -1, -1)
    v = network(
        torch.cat([model_input, condition], dim=2).to(dtype),
        svd.timestep_of(batch.sigma.flatten()),
        encoder_hidden_states=batch.embedding.to(dtype),
        added_time_ids=batch.time_ids,
        return_dict=False,
    )[0]
    return v.float(), model_input


def training_loss(network: Any, batch: Batch, dtype: torch.dtype) -> Tensor:
    """The published loss of each sample, (batch,) in fp32 (ExVideo section 4)."""
    v, model_input = predict(network, batch, dtype)
    return svd.loss(v, model_input, batch.latents, batch.sigma)
