"""The temporal VAE: 8x8 latents of 8 channels for a frame of 64x64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tiny_world.system.batches import clips_of, part_of_batch, where_subjects_are
from tiny_world.system.training_loop import Schedule, generators, train

CHANNELS = (64, 64, 64, 64)
LATENT_CHANNELS = 8
SCHEDULE = Schedule(steps=3120, batch_size=16, learning_rate=2e-3, ema_decay=0.995)
# First whole pictures; then half as many a step, and mostly their subjects, which are a twentieth of the pixels and all
# that matters; last, clips, for the temporal layers, which are left out until then.
SUBJECTS_FROM, CLIPS_FROM = 800, 3000
SUBJECT_WEIGHT = 6.0
CLIP = 8  # frames
REACH = 40  # frames: stills are of any of a clip's first so many
KL_WEIGHT = 0.003
CHROMA_WEIGHT = 1.0


def build_vae() -> Any:
    """An untrained `AutoencoderKLTemporalDecoder` whose residual branches and temporal layers begin as the identity."""
    from diffusers import AutoencoderKLTemporalDecoder

    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        sample_size=64,
        force_upcast=False,
    )
    silence_residual_branches(vae)
    _be_identity(vae.decoder.time_conv_out)
    return vae


def train_vae(folder: Path, seed: int, device: torch.device) -> Any:
    """Trains, and sets the scaling factor by which latents have a standard deviation of 1."""
    torch.manual_seed(seed)
    vae = build_vae().to(device)

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        numbers = part_of_batch(step, part, parts, SCHEDULE.batch_size)
        random, noise_generator = generators(seed, "vae", step, part)
        set_temporal_layers(vae, step >= CLIPS_FROM)
        if step >= CLIPS_FROM:
            length = CLIP
            clips = clips_of(numbers[:: len(numbers)], length)
            pixels, subjects = clips.pixels.flatten(0, 1), where_subjects_are(clips.specs, length).flatten(0, 1)
        else:
            length = int(random.integers(1, REACH + 1))
            clips = clips_of(numbers[:: 1 if step < SUBJECTS_FROM else 2], length)
            pixels, subjects = clips.pixels[:, -1], where_subjects_are(clips.specs, length)[:, -1]
        weight = 1 + SUBJECT_WEIGHT * subjects if step >= SUBJECTS_FROM else torch.ones_like(subjects)
        noise = torch.randn((len(pixels), LATENT_CHANNELS, 8, 8), generator=noise_generator)
        frames = length if step >= CLIPS_FROM else 1
        return lambda: _loss(vae, pixels.to(device), weight.to(device), noise.to(device), frames)

    train(vae, part_of_step, SCHEDULE, folder)
    set_temporal_layers(vae, True)
    vae.register_to_config(scaling_factor=1 / latent_std(vae))
    return vae


def silence_residual_branches(network: nn.Module) -> None:
    """Zeroes the last layer of every residual branch, so that a deep network starts as the shallow one it contains."""
    from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
    from diffusers.models.transformers.transformer_2d import Transformer2DModel
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    for module in network.modules():
        if isinstance(module, ResnetBlock2D | TemporalResnetBlock):
            _zero(module.conv2)
        elif isinstance(module, TransformerSpatioTemporalModel | Transformer2DModel):
            _zero(module.proj_out)


def set_temporal_layers(vae: Any, active: bool) -> None:
    """Takes the decoder's temporal layers into the computation, or leaves them out while they are the identity."""
    for block in vae.decoder.modules():
        if hasattr(block, "temporal_res_block"):
            block.temporal_res_block.forward = (
                type(block.temporal_res_block).forward.__get__(block.temporal_res_block) if active else _unchanged
            )
    layer = vae.decoder.time_conv_out
    layer.forward = type(layer).forward.__get__(layer) if active else _unchanged


@torch.no_grad()
def latent_std(vae: Any, clips: int = 128) -> float:
    """The standard deviation of the latents of held-out frames, over all channels."""
    pixels = clips_of(range(clips), 1, "held_out").pixels[:, 0].to(vae.device)
    return float(torch.cat([vae.encode(chunk).latent_dist.mode() for chunk in pixels.split(16)]).std())


def _loss(vae: Any, pixels: Tensor, weight: Tensor, noise: Tensor, num_frames: int) -> Tensor:
    posterior = vae.encode(pixels).latent_dist
    error = vae.decode(posterior.mean + posterior.std * noise, num_frames=num_frames).sample - pixels
    kl = posterior.kl().mean() / pixels[0].numel()
    return reconstruction_loss(error, weight) + KL_WEIGHT * kl


def reconstruction_loss(error: Tensor, weight: Tensor, edge_weight: float = 0.0) -> Tensor:
    """Of pixels, of their colours, and of the steps from a pixel to the next ones: what a blurred edge gets wrong.

    Args:
        error: (frames, 3, height, width), decoded less true, both in [-1, 1].
        weight: of each pixel, (frames, 1, height, width).
        edge_weight: of the steps.
    """
    chroma = error - error.mean(dim=1, keepdim=True)
    loss = (weight * (error.abs() + error.square() + CHROMA_WEIGHT * chroma.abs())).mean()
    if edge_weight:
        across, down = error.diff(dim=3).abs() * weight[..., 1:], error.diff(dim=2).abs() * weight[:, :, 1:]
        loss = loss + edge_weight * (across.mean() + down.mean())
    return loss


def _unchanged(hidden_states: Tensor, temb: Tensor | None = None) -> Tensor:
    return hidden_states


@torch.no_grad()
def _be_identity(time_conv: Any) -> None:
    _zero(time_conv)
    for channel in range(time_conv.in_channels):
        time_conv.weight[channel, channel, 1, 0, 0] = 1


@torch.no_grad()
def _zero(layer: Any) -> None:
    layer.weight.zero_()
    layer.bias.zero_()
