"""The base: an SVD-shaped video network of eight frames that reads the image's token and the caption's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks.families import svd
from exvideo_infer import Conditions
from torch import Tensor

from tiny_world.system.batches import stride_of, subject_latents
from tiny_world.system.encoders import WIDTH, Encoders, build_tokenizer
from tiny_world.system.image import OBJECTIVE, reworded, subject_weight, text_tokens, v_loss
from tiny_world.system.latents import encoded_clips
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.system.vae import LATENT_CHANNELS, silence_residual_branches
from tiny_world.world.spec import FPS

CHANNELS = (64, 96)
HEAD_WIDTH = 32
NUM_FRAMES = 8
ADDED_TIME_WIDTH = 32
SCHEDULE = Schedule(steps=40_000, batch_size=16, learning_rate=1.2e-3, warmup_steps=200, half=True)
CLIPS = 12_288
# Of the frames of the clips trained on, in turn; the network is told the frame rate that is left. Eight frames at full
# rate show only short ways: what post-tuning freezes would never have learnt to move things as far as long clips do.
STRIDES = (1, 5, 2, 5)
# ln(sigma) first as Stable Video Diffusion draws it; then lower, where shapes are made, as motion is learnt sooner.
SIGMA_LOG_MEANS, SIGMA_LOG_STD = (0.7, 0.2), 1.6
SHAPES_FROM = 2400
WITHOUT_WORDS = 0.05
WITHOUT_CONDITION = 0.1  # zeros for tokens and first frame: the other half of guidance


@dataclass(frozen=True)
class Windows:
    """Part of a step's batch: clips and what the network is told of them.

    Attributes:
        latents: (clips, frames, channels, height, width), times the VAE's scaling factor.
        conditions: of the same clips.
        subjects: 1 where a latent has a part of a subject, (clips, frames, 1, height, width); None weighs all alike.
    """

    latents: Tensor
    conditions: Conditions
    subjects: Tensor | None = None


WindowsOf = Callable[[np.random.Generator, int], Windows]  # (random, clips), which draws from `random` alone


def build_video_unet(latent_channels: int = LATENT_CHANNELS) -> Any:
    """An untrained network whose residual branches begin as the identity, for latents of so many channels."""
    from diffusers import UNetSpatioTemporalConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNetSpatioTemporalConditionModel(
        sample_size=8,
        in_channels=2 * latent_channels,
        out_channels=latent_channels,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        addition_time_embed_dim=ADDED_TIME_WIDTH,
        projection_class_embeddings_input_dim=3 * ADDED_TIME_WIDTH,
        cross_attention_dim=WIDTH,
        num_attention_heads=tuple(width // HEAD_WIDTH for width in CHANNELS),
        num_frames=NUM_FRAMES,
    )
    silence_residual_branches(unet)
    unet.set_attn_processor(AttnProcessor())  # on CPUs the fused one is slow to differentiate in bfloat16
    return unet


def train_video(folder: Path, vae: Any, encoders: Encoders, seed: int, device: torch.device) -> Any:
    """Trains on the rendered world, as the VAE and the encoders see it."""
    torch.manual_seed(seed)
    unet = build_video_unet().to(device)
    train_on_windows(unet, world_windows(folder.parent / "latents", vae, encoders), SCHEDULE, folder, seed)
    return unet


def world_windows(folder: Path, vae: Any, encoders: Encoders, strides: Sequence[int] = STRIDES) -> WindowsOf:
    """The world's clips, which are encoded in `folder`, with captions in words drawn anew; some without conditions."""
    tokenizer = build_tokenizer()
    pool = encoded_clips(folder, vae, encoders.image, CLIPS, NUM_FRAMES, strides=strides)
    subjects = subject_latents(CLIPS, NUM_FRAMES, strides)
    rates = torch.tensor([FPS / stride_of(number, strides) for number in range(CLIPS)])

    def windows(random: np.random.Generator, clips: int) -> Windows:
        chosen = random.integers(len(pool.latents), size=clips)
        encoded = pool.latents[chosen].float()
        words = text_tokens(encoders, tokenizer, [reworded(number, random, WITHOUT_WORDS) for number in chosen])
        context = torch.cat([pool.embeddings[chosen].float(), words.cpu()], dim=1)
        kept = torch.from_numpy(random.random(clips) >= WITHOUT_CONDITION).float()
        # The amount of motion says nothing here, where words do: any value is to be taken, and ignored.
        amounts = torch.from_numpy(random.uniform(0, 255, clips))
        ids = torch.stack([rates[chosen] - 1, amounts, torch.zeros(clips)], dim=1)
        first_frame = encoded[:, 0] * kept[:, None, None, None]
        conditions = Conditions(context * kept[:, None, None], first_frame, ids.float())
        return Windows(encoded * vae.config.scaling_factor, conditions, subjects[chosen])

    return windows


def train_on_windows(unet: Any, windows: WindowsOf, schedule: Schedule, folder: Path, seed: int) -> None:
    """Trains in place, on the UNet's own device."""

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, generator = generators(seed, "video", step, part)
        batch = windows(random, schedule.batch_size // parts)
        noise = torch.randn(batch.latents.shape, generator=generator)
        mean = SIGMA_LOG_MEANS[step >= SHAPES_FROM]
        sigma = (mean + SIGMA_LOG_STD * torch.randn(len(noise), 1, 1, 1, 1, generator=generator)).exp()
        return partial(video_loss, unet, batch, noise, sigma)

    train(unet, part_of_step, schedule, folder)


def video_loss(unet: Any, batch: Windows, noise: Tensor, sigma: Tensor) -> Tensor:
    """`v_loss` of the network's prediction at noise levels `sigma`, (clips, 1, 1, 1, 1)."""
    given, times = OBJECTIVE.precondition(batch.latents, noise, sigma.flatten())
    v = svd.call(unet, given.to(unet.device, unet.dtype), times.to(unet.device), batch.conditions.to(unet.device))
    weight = None if batch.subjects is None else subject_weight(batch.subjects, sigma)
    return v_loss(v, batch.latents, noise, sigma, weight)
