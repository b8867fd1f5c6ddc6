"""Trains the base UNet on windows of 8 frames, under the published objective and the sampler's own conditioning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks.families import svd
from exvideo_infer.conditioning import added_time_ids, embed_image, encode_clip
from exvideo_infer.video_file import probe, read_clip
from exvideo_train.motion import motion_bucket, motion_score
from torch import Tensor, nn

from demo.own_footage.loss_log import LossLog
from tiny_world.system.side_by_side import PARTS, side_by_side
from tiny_world.system.vae import silence_residual_branches

BASE: dict[str, Any] = {
    "unet_channels": (32, 64, 64),
    "vae_channels": (32, 32, 64),
    "attention_head_dim": 32,
}
STEPS = 420
BATCH_SIZE = PARTS  # one window a core
LEARNING_RATE = 3e-3
WARMUP_STEPS = 20
EMA_DECAY = 0.98
WINDOW_STRIDE = 4
# ln(sigma) ~ N(0.5, 1.5): the published uniform draw of Karras sigmas spends half of the steps above 15.7, where only
# the first frame can be seen. A model this small learns to copy that soon, and to remove noise slowly.
SIGMA_LOG_MEAN, SIGMA_LOG_STD = 0.5, 1.5


@dataclass(frozen=True)
class Windows:
    """Encoded windows of the clips.

    Args:
        latents: of each clip, (frames, channels, height, width), times the VAE's scaling factor.
        places: (windows, 2): clip, first frame.
        embeddings: (windows, 1, cross_attention_dim), of each window's first frame.
        time_ids: (windows, 3).
        num_frames: of a window.
        scaling_factor: the VAE's; the first frame's condition is without it.
    """

    latents: tuple[Tensor, ...]
    places: Tensor
    embeddings: Tensor
    time_ids: Tensor
    num_frames: int
    scaling_factor: float


def encode_windows(components: dict[str, Any], paths: Sequence[Path]) -> Windows:
    """Encodes clips once; windows as long as the UNet was made for begin at every fourth frame."""
    vae, unet = components["vae"], components["unet"]
    num_frames = unet.config.num_frames
    latents, places, embeddings, time_ids = [], [], [], []
    for number, path in enumerate(paths):
        fps = probe(path).fps
        frames = read_clip(path).float() / 127.5 - 1
        latents.append(encode_clip(vae, frames[None], chunk_size=16)[0])
        starts = range(0, len(frames) - num_frames + 1, WINDOW_STRIDE)
        places += [(number, start) for start in starts]
        embeddings.append(
            embed_image(components["image_encoder"], components["feature_extractor"], frames[list(starts)])
        )
        for start in starts:
            bucket = motion_bucket(motion_score(frames[start : start + num_frames]))
            time_ids.append(added_time_ids(fps, bucket, 0.0, 1, torch.float32, "cpu"))
    return Windows(
        latents=tuple(latents),
        places=torch.tensor(places),
        embeddings=torch.cat(embeddings),
        time_ids=torch.cat(time_ids),
        num_frames=num_frames,
        scaling_factor=vae.config.scaling_factor,
    )


def train_unet(unet: Any, windows: Windows, log: LossLog, seed: int = 0) -> None:
    """Trains in place; the weights left in the UNet are an exponential moving average of those trained.

    Args:
        unet: `UNetSpatioTemporalConditionModel`.
        windows: what it is trained on.
        log: takes the loss of each step; it also says how many there are.
        seed: of windows, sigmas and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    silence_residual_branches(unet)
    unet.train()
    average = torch.optim.swa_utils.AveragedModel(
        unet, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(EMA_DECAY)
    )
    optimizer = torch.optim.AdamW(unet.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-2)
    with side_by_side(unet) as backward:
        for step in range(log.steps):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * _warm_cosine(step, log.steps)
            samples = [_draw_sample(windows, generator) for _ in range(BATCH_SIZE)]
            log.add(backward([partial(_loss, unet, *sample) for sample in samples]))
            nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(unet)
    unet.load_state_dict(average.module.state_dict())
    unet.eval()


def _draw_sample(windows: Windows, generator: torch.Generator) -> tuple[Tensor, ...]:
    """One window: latents, noise, sigma, first frame, image embedding, added time ids, each with a batch of 1."""
    number = int(torch.randint(len(windows.places), (), generator=generator))
    clip, start = windows.places[number].tolist()
    latents = windows.latents[clip][None, start : start + windows.num_frames]
    noise = torch.randn(latents.shape, generator=generator)
    sigma = (SIGMA_LOG_MEAN + SIGMA_LOG_STD * torch.randn((1, 1, 1, 1, 1), generator=generator)).exp()
    first_frame = (latents[:, :1] / windows.scaling_factor).expand_as(latents)
    return latents, noise, sigma, first_frame, windows.embeddings[number, None], windows.time_ids[number, None]


def _loss(
    unet: Any, latents: Tensor, noise: Tensor, sigma: Tensor, first_frame: Tensor, embedding: Tensor, time_ids: Tensor
) -> Tensor:
    model_input = svd.scale_input(latents + sigma * noise, sigma)
    v = unet(
        torch.cat([model_input, first_frame], dim=2),
        svd.timestep_of(sigma.flatten()),
        encoder_hidden_states=embedding,
        added_time_ids=time_ids,
    ).sample
    # Aimed at the latents themselves: the published factor of 1.01 belongs to post-tuning.
    return svd.loss(v, model_input, latents, sigma, target_scale=1.0).mean()


def _warm_cosine(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARMUP_STEPS) * 0.5 * (1 + cos(pi * step / steps))
