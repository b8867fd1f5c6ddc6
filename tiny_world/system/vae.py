"""The temporal VAE: 8x8 latents of 8 channels for a frame of 64x64."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
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


@dataclass(frozen=True)
class Pictures:
    """Part of a step's batch.

    Attributes:
        pixels: (frames, 3, height, width) in [-1, 1].
        weight: of each pixel's error, (frames, 1, height, width).
        num_frames: of each clip that the frames are of; 1 for stills, which leave the temporal layers out.
    """

    pixels: Tensor
    weight: Tensor
    num_frames: int = 1


# (step, part, parts, random) -> the pictures of that part of the step's batch; nothing else is to be drawn from.
PicturesOf = Callable[[int, int, int, np.random.Generator], Pictures]


def build_vae(latent_channels: int = LATENT_CHANNELS) -> Any:
    """An untrained `AutoencoderKLTemporalDecoder` whose residual branches and temporal layers begin as the identity."""
    from diffusers import AutoencoderKLTemporalDecoder

    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=latent_channels,
        sample_size=64,
        force_upcast=False,
    )
    start_as_image_vae(vae)
    return vae


def train_vae(folder: Path, seed: int, device: torch.device) -> Any:
    """Trains on the rendered world, and sets the scaling factor by its held-out frames."""
    torch.manual_seed(seed)
    vae = build_vae().to(device)
    train_on_pictures(vae, world_pictures, SCHEDULE, folder, seed)
    set_scaling_factor(vae, clips_of(range(128), 1, "held_out").pixels[:, 0])
    return vae


def world_pictures(step: int, part: int, parts: int, random: np.random.Generator) -> Pictures:
    """Stills of the world's clips, then clips; each clip is drawn once in a run."""
    numbers = part_of_batch(step, part, parts, SCHEDULE.batch_size)
    if step >= CLIPS_FROM:
        length, first = CLIP, 0
        numbers = numbers[:: len(numbers)]
    else:
        length = int(random.integers(1, REACH + 1))
        first = length - 1
        numbers = numbers[:: 1 if step < SUBJECTS_FROM else 2]
    clips = clips_of(numbers, length)
    subjects = where_subjects_are(clips.specs, length)[:, first:].flatten(0, 1)
    weight = 1 + SUBJECT_WEIGHT * subjects if step >= SUBJECTS_FROM else torch.ones_like(subjects)
    return Pictures(clips.pixels[:, first:].flatten(0, 1), weight, length - first)


def train_on_pictures(vae: Any, pictures: PicturesOf, schedule: Schedule, folder: Path, seed: int) -> None:
    """Trains in place, on the VAE's own device; all of the VAE takes part in the end."""
    downscale = 2 ** (len(vae.config.block_out_channels) - 1)

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, generator = generators(seed, "vae", step, part)
        batch = pictures(step, part, parts, random)
        set_temporal_layers(vae, batch.num_frames > 1)
        sides = (side // downscale for side in batch.pixels.shape[2:])
        noise = torch.randn((len(batch.pixels), vae.config.latent_channels, *sides), generator=generator)
        return partial(vae_loss, vae, batch, noise)

    train(vae, part_of_step, schedule, folder)
    set_temporal_layers(vae, True)


def start_as_image_vae(vae: Any) -> None:
    """Makes residual branches and temporal layers the identity, where training starts."""
    silence_residual_branches(vae)
    _be_identity(vae.decoder.time_conv_out)


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
    blocks = [block.temporal_res_block for block in vae.decoder.modules() if hasattr(block, "temporal_res_block")]
    for layer in (*blocks, vae.decoder.time_conv_out):
        layer.__dict__.pop("forward", None)
        if not active:
            layer.forward = _unchanged


@torch.no_grad()
def set_scaling_factor(vae: Any, pixels: Tensor) -> None:
    """Sets the factor by which the latents of these frames have a standard deviation of 1 over all channels."""
    latents = [vae.encode(chunk.to(vae.device)).latent_dist.mode() for chunk in pixels.split(16)]
    vae.register_to_config(scaling_factor=1 / float(torch.cat(latents).std()))


def vae_loss(vae: Any, batch: Pictures, noise: Tensor) -> Tensor:
    """Of the reconstruction from latents with noise, by which the posterior's deviation is multiplied; and its KL."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    pixels = batch.pixels.to(vae.device)
    # In float32, in whatever precision the network computes.
    posterior = DiagonalGaussianDistribution(vae.encode(pixels.to(vae.dtype)).latent_dist.parameters.float())
    latents = posterior.mean + posterior.std * noise.to(vae.device)
    error = vae.decode(latents.to(vae.dtype), num_frames=batch.num_frames).sample.float() - pixels
    kl = posterior.kl().mean() / pixels[0].numel()
    return reconstruction_loss(error, batch.weight.to(vae.device)) + KL_WEIGHT * kl


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
