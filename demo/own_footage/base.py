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
# Of the frames of a window, as those of the embedded base: at the last of them, eight frames last as long as 36.
STRIDES = (1, 2, 5)


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


def train_unet(
    components: Mapping[str, Any],
    clips: Sequence[Path],
    folder: Path,
    schedule: Schedule,
    strides: Sequence[int] = STRIDES,
) -> None:
    """Trains an untrained UNet in place, on windows of as many frames as it is made for, at several frame rates."""
    pools = encode_windows(components, clips, strides)

    def one(random: np.random.Generator) -> Windows:
        pool = pools[int(random.integers(len(pools)))]
        chosen = slice(place := int(random.integers(len(pool.latents))), place + 1)
        return Windows(pool.latents[chosen], pool.conditions.rows(chosen))

    def windows(random: np.random.Generator, number: int) -> Windows:
        drawn = [one(random) for _ in range(number)]
        return Windows(torch.cat([window.latents for window in drawn]), together([w.conditions for w in drawn]))

    silence_residual_branches(components["unet"])
    train_on_windows(components["unet"], windows, schedule, folder, SEED)


def together(conditions: Sequence[Conditions]) -> Conditions:
    """Those of several clips as those of one batch."""
    names = [name for name, value in vars(conditions[0]).items() if value is not None]
    return Conditions(**{name: torch.cat([getattr(one, name) for one in conditions]) for name in names})


def encode_windows(components: Mapping[str, Any], clips: Sequence[Path], strides: Sequence[int]) -> list[Windows]:
    """All windows of the clips with every n-th frame, each with its conditions as a sampler gives them.

    Args:
        components: of the base.
        clips: to be cut.
        strides: from one frame of a window to the next; the network is told the frame rate that is left.

    Returns:
        Of each stride that a clip is long enough for, its windows.
    """
    found: dict[int, list[Windows]] = {}
    for path in clips:
        frames = read_clip(path).float() / 127.5 - 1
        encoded = encode_clip(components["vae"], frames[None], chunk_size=16)[0]
        for stride in strides:
            windows = _windows_of(components, frames, encoded, probe(path).fps, stride)
            if windows is not None:
                found.setdefault(stride, []).append(windows)
    return [
        Windows(torch.cat([part.latents for part in parts]), together([part.conditions for part in parts]))
        for parts in found.values()
    ]


def _windows_of(
    components: Mapping[str, Any], frames: Tensor, encoded: Tensor, fps: float, stride: int
) -> Windows | None:
    span = (components["unet"].config.num_frames - 1) * stride + 1
    starts = list(range(0, len(frames) - span + 1, WINDOW_STRIDE))
    if not starts:
        return None
    shown = [slice(start, start + span, stride) for start in starts]
    buckets = [motion_bucket(motion_score(frames[window])) for window in shown]
    ids = [added_time_ids(fps / stride, bucket, 0.0, 1, torch.float32, "cpu") for bucket in buckets]
    context = embed_image(components["image_encoder"], components["feature_extractor"], frames[starts])
    first_frames = encoded[starts] / components["vae"].config.scaling_factor
    return Windows(
        torch.stack([encoded[window] for window in shown]), Conditions(context, first_frames, torch.cat(ids))
    )
