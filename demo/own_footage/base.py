"""The small base of own footage: the tiny system's trainers on patches, frames and windows of the clips."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_infer import Conditions, probe, read_clip
from exvideo_infer.encoders import added_time_ids, embed_image, encode_clip
from exvideo_train.data.motion import motion_bucket, motion_score
from torch import Tensor

from tiny_world.system.side_by_side import PARTS
from tiny_world.system.training_loop import Schedule
from tiny_world.system.vae import (
    Pictures,
    set_scaling_factor,
    silence_residual_branches,
    start_as_image_vae,
    train_on_pictures,
)
from tiny_world.system.video import Windows, train_on_windows

SEED = 0
ARCHITECTURE: dict[str, Any] = {
    "unet_channels": (32, 64, 64),
    "vae_channels": (32, 32, 64),
    "attention_head_dim": 32,
}
VAE = Schedule(
    steps=500, batch_size=16, learning_rate=2e-3, warmup_steps=20, ema_decay=0.98, checkpoint_every=500, log_every=100
)
# Patches first, which are cheap and varied; from this share of the steps on fewer, but whole frames, as it is used.
PATCH, WHOLE_FROM, WHOLE_BATCH = 32, 0.6, 4
UNET = Schedule(
    steps=445, batch_size=PARTS, learning_rate=3e-3, warmup_steps=20, ema_decay=0.98, checkpoint_every=445, log_every=75
)
WINDOW_STRIDE = 4  # frames from the start of a window to that of the next


def train_vae(vae: Any, clips: Sequence[Path], folder: Path, schedule: Schedule) -> None:
    """Trains an untrained VAE in place; its temporal layers stay the identity."""
    frames = torch.cat([read_clip(path) for path in clips])

    def draw(random: np.random.Generator, number: int) -> Tensor:
        return frames[random.integers(len(frames), size=number)].float() / 127.5 - 1

    def pictures(step: int, part: int, parts: int, random: np.random.Generator) -> Pictures:
        whole = step >= WHOLE_FROM * schedule.steps
        chosen = draw(random, (WHOLE_BATCH if whole else schedule.batch_size) // parts)
        return Pictures(chosen if whole else patches(chosen, random), weight=torch.ones(len(chosen), 1, 1, 1))

    start_as_image_vae(vae)
    train_on_pictures(vae, pictures, schedule, folder, SEED)
    set_scaling_factor(vae, draw(np.random.default_rng(SEED), 128))


def patches(frames: Tensor, random: np.random.Generator) -> Tensor:
    """A square of each frame, `PATCH` pixels a side, at multiples of 4 pixels, one latent."""
    places = 4 * random.integers((frames.shape[-1] - PATCH) // 4 + 1, size=(len(frames), 2))
    return torch.stack([frame[:, y : y + PATCH, x : x + PATCH] for frame, (y, x) in zip(frames, places, strict=True)])


def train_unet(components: Mapping[str, Any], clips: Sequence[Path], folder: Path, schedule: Schedule) -> None:
    """Trains an untrained UNet in place, on windows of as many frames as it is made for."""
    pool = encode_windows(components, clips)

    def windows(random: np.random.Generator, number: int) -> Windows:
        chosen = random.integers(len(pool.latents), size=number)
        each = {name: tensor[chosen] for name, tensor in vars(pool.conditions).items()}
        return Windows(pool.latents[chosen], Conditions(**each))

    silence_residual_branches(components["unet"])
    train_on_windows(components["unet"], windows, schedule, folder, SEED)


def encode_windows(components: Mapping[str, Any], clips: Sequence[Path]) -> Windows:
    """All windows of the clips, each with its conditions as a sampler gives them."""
    vae, num_frames = components["vae"], components["unet"].config.num_frames
    latents, context, time_ids = [], [], []
    for path in clips:
        frames = read_clip(path).float() / 127.5 - 1
        starts = list(range(0, len(frames) - num_frames + 1, WINDOW_STRIDE))
        encoded = encode_clip(vae, frames[None], chunk_size=16)[0]
        latents += [encoded[start : start + num_frames] for start in starts]
        context.append(embed_image(components["image_encoder"], components["feature_extractor"], frames[starts]))
        for start in starts:
            bucket = motion_bucket(motion_score(frames[start : start + num_frames]))
            time_ids.append(added_time_ids(probe(path).fps, bucket, 0.0, 1, torch.float32, "cpu"))
    windows = torch.stack(latents)
    first_frames = windows[:, 0] / vae.config.scaling_factor
    return Windows(windows, Conditions(torch.cat(context), first_frames, torch.cat(time_ids)))
