"""Text to image: the first frame from its caption, in the temporal VAE's own latents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks.families.svd import SigmaObjective
from torch import Tensor

from tiny_world.system.batches import caption_of, subject_latents
from tiny_world.system.encoders import WIDTH, Encoders, build_tokenizer, tokens_of
from tiny_world.system.latents import encoded_clips
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.system.vae import LATENT_CHANNELS, silence_residual_branches
from tiny_world.world.sampler import sample_spec

CHANNELS = (64, 64)
HEAD_WIDTH = 32
SCHEDULE = Schedule(steps=23_000, batch_size=64, learning_rate=1.5e-3, warmup_steps=200, half=True)
IMAGES = 24_576
SIGMA_LOG_MEAN, SIGMA_LOG_STD = 0.3, 1.6
# Of the latents that show a subject, beside 1, and only where the noise leaves no doubt where it is: a weight that
# depends on what is to be guessed draws the guess towards it, to subjects wherever one might be.
SUBJECT_WEIGHT, DOUBT_FROM = 5.0, 1.0
OBJECTIVE = SigmaObjective()  # noise at sigma, and v to tell it by; the loss is our own
WITHOUT_WORDS = 0.1  # the share trained on the empty caption, for guidance


def build_image_unet() -> Any:
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        attention_head_dim=tuple(width // HEAD_WIDTH for width in CHANNELS),  # diffusers' name for their number
        cross_attention_dim=WIDTH,
    )
    silence_residual_branches(unet)
    unet.set_attn_processor(AttnProcessor())  # on CPUs the fused one is slow to differentiate in bfloat16
    return unet


def train_image(folder: Path, vae: Any, encoders: Encoders, seed: int, device: torch.device) -> Any:
    torch.manual_seed(seed)
    unet, tokenizer = build_image_unet().to(device), build_tokenizer()
    pool = encoded_clips(folder.parent / "latents", vae, encoders.image, IMAGES, 1).latents[:, 0]
    subjects = subject_latents(IMAGES, 1)[:, 0]

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, generator = generators(seed, "image", step, part)
        chosen = random.integers(len(pool), size=SCHEDULE.batch_size // parts)
        latents = pool[chosen].float() * vae.config.scaling_factor
        captions = [reworded(number, random, WITHOUT_WORDS) for number in chosen]
        noise = torch.randn(latents.shape, generator=generator)
        sigma = (SIGMA_LOG_MEAN + SIGMA_LOG_STD * torch.randn(len(latents), 1, 1, 1, generator=generator)).exp()
        given, times = OBJECTIVE.precondition(latents, noise, sigma.flatten())
        words = text_tokens(encoders, tokenizer, captions)

        def loss() -> Tensor:
            v = unet(given.to(device, unet.dtype), times.to(device), words.to(unet.dtype), return_dict=False)[0]
            return v_loss(v, latents, noise, sigma, subject_weight(subjects[chosen], sigma))

        return loss

    train(unet, part_of_step, SCHEDULE, folder)
    return unet


def subject_weight(subjects: Tensor, sigma: Tensor) -> Tensor:
    """The weight of each latent's error: more than 1 on subjects, at noise that does not hide them."""
    return 1 + SUBJECT_WEIGHT * subjects * (sigma < DOUBT_FROM)


def v_loss(v: Tensor, latents: Tensor, noise: Tensor, sigma: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error of v = (noise - sigma * latents) / sqrt(sigma^2 + 1), each latent's by its weight, if any.

    It weighs the error of the latents with (sigma^2 + 1) / sigma^2, EDM's weight at unit deviation (arXiv 2206.00364).
    """
    truth = (noise - sigma * latents) / (sigma**2 + 1).sqrt()
    error = (v.float() - truth.to(v.device)).square()
    return error.mean() if weight is None else (weight.to(v.device) * error).mean()


def reworded(number: int, random: np.random.Generator, without_words: float) -> str:
    """A caption of a training clip in words drawn anew, or none."""
    if random.random() < without_words:
        return ""
    spec = sample_spec(0, int(number))
    return caption_of(type(spec)(spec.subjects, spec.background, spec.motion, int(random.integers(2**32))))


@torch.no_grad()
def text_tokens(encoders: Encoders, tokenizer: Any, captions: list[str]) -> Tensor:
    """(captions, tokens, width): what every cross-attention reads."""
    device = encoders.log_scale.device
    states: Tensor = encoders.text(tokens_of(tokenizer, captions).to(device)).last_hidden_state
    return states
