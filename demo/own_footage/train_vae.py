"""Trains the small VAE on single frames: an image autoencoder in the shape of SVD's temporal one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demo.own_footage.loss_log import LossLog
from tiny_world.system.side_by_side import PARTS, side_by_side
from tiny_world.system.vae import silence_residual_branches

STEPS = 560
LARGE_FROM_STEP = 336  # patches first, which are cheap and varied; whole frames at the end, as the VAE is used
BATCH, PATCH = 16, 32
LARGE_BATCH = 4
LEARNING_RATE = 2e-3
WARMUP_STEPS = 20
KL_WEIGHT = 1e-6  # as in latent diffusion: only keeps latents from drifting apart
CHROMA_WEIGHT = 2.0  # colours are a small part of the squared error, and what the eye misses first
LOW_PASS_WEIGHT = 1.0


def train_vae(vae: Any, frames: Tensor, log: LossLog, seed: int = 0) -> None:
    """Trains in place and sets the scaling factor so that latents have a standard deviation of 1.

    The temporal layers of the decoder are made the identity and stay so: what there is to learn in two minutes is how
    a frame looks.

    Args:
        vae: `AutoencoderKLTemporalDecoder`.
        frames: uint8 (frames, 3, height, width).
        log: takes the loss of each step; it also says how many there are.
        seed: of patches and of the noise on the latents.
    """
    generator = torch.Generator().manual_seed(seed)
    silence_residual_branches(vae)
    vae.train()
    with _image_decoder(vae), side_by_side(vae) as backward:
        optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
        for step in range(log.steps):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * _linear_decay(step, log.steps)
            whole = step >= log.steps * LARGE_FROM_STEP // STEPS
            pixels = _draw_frames(frames, LARGE_BATCH, generator) if whole else _draw_patches(frames, generator)
            noise = torch.randn((len(pixels), 4, *(side // 4 for side in pixels.shape[-2:])), generator=generator)
            halves = zip(pixels.chunk(PARTS), noise.chunk(PARTS), strict=True)
            log.add(backward([partial(_loss, vae, *half) for half in halves]))
            nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            optimizer.step()
    vae.eval()
    vae.register_to_config(scaling_factor=1 / _latent_std(vae, _draw_frames(frames, 128, generator)))


@contextmanager
def _image_decoder(vae: Any) -> Iterator[None]:
    """Makes the decoder's temporal layers the identity and, meanwhile, leaves them out: the same result, sooner."""
    blocks = [module for module in vae.decoder.modules() if hasattr(module, "temporal_res_block")]
    layers = [block.temporal_res_block for block in blocks]
    time_conv = vae.decoder.time_conv_out
    with torch.no_grad():
        _zero(time_conv)
        for channel in range(time_conv.in_channels):
            time_conv.weight[channel, channel, 1, 0, 0] = 1
    for block in blocks:
        block.temporal_res_block = _Unchanged()
    vae.decoder.time_conv_out = nn.Identity()
    try:
        yield
    finally:
        for block, layer in zip(blocks, layers, strict=True):
            block.temporal_res_block = layer
        vae.decoder.time_conv_out = time_conv


class _Unchanged(nn.Module):
    def forward(self, hidden_states: Tensor, temb: Tensor | None = None) -> Tensor:
        return hidden_states


def _loss(vae: Any, pixels: Tensor, noise: Tensor) -> Tensor:
    posterior = vae.encode(pixels).latent_dist
    error = vae.decode(posterior.mean + posterior.std * noise, num_frames=1).sample - pixels
    chroma = error - error.mean(dim=1, keepdim=True)
    low_pass = functional.avg_pool2d(error, 8)
    kl = posterior.kl().mean() / pixels[0].numel()
    return (
        error.abs().mean()
        + error.square().mean()
        + CHROMA_WEIGHT * chroma.abs().mean()
        + LOW_PASS_WEIGHT * low_pass.abs().mean()
        + KL_WEIGHT * kl
    )


def _draw_frames(frames: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = frames[torch.randint(len(frames), (count,), generator=generator)]
    return chosen.float() / 127.5 - 1


def _draw_patches(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Patches at multiples of 4 pixels, one latent."""
    chosen = _draw_frames(frames, BATCH, generator)
    places = 4 * torch.randint((frames.shape[-1] - PATCH) // 4 + 1, (BATCH, 2), generator=generator)
    return torch.stack(
        [frame[:, y : y + PATCH, x : x + PATCH] for frame, (y, x) in zip(chosen, places.tolist(), strict=True)]
    )


@torch.no_grad()
def _latent_std(vae: Any, pixels: Tensor) -> float:
    return torch.cat([vae.encode(chunk).latent_dist.mode() for chunk in pixels.split(16)]).std().item()


def _linear_decay(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARMUP_STEPS) * (1 - step / steps)


@torch.no_grad()
def _zero(layer: Any) -> None:
    layer.weight.zero_()
    layer.bias.zero_()
