"""The decoder of the temporal VAE, trained on alone for sharp corners: latents made before stay what they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tiny_world.system.batches import WORLD_SEED, stride_of, to_pixels, where_subjects_are
from tiny_world.system.latents import encoded_clips
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.system.vae import SUBJECT_WEIGHT, reconstruction_loss
from tiny_world.system.video import CLIPS, NUM_FRAMES, STRIDES
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec

SCHEDULE = Schedule(steps=3000, batch_size=16, learning_rate=1e-3, half=True)
WINDOW = 4  # frames of a clip
EDGE_WEIGHT = 1.0


def train_decoder(folder: Path, vae: Any, image_encoder: Any, seed: int, device: torch.device) -> None:
    """Trains in place, on the latents that the base is trained on."""
    pool = encoded_clips(folder.parent / "latents", vae, image_encoder, CLIPS, NUM_FRAMES, strides=STRIDES).latents

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, _ = generators(seed, "decoder", step, part)
        pixels, masks, latents = [], [], []
        for number in random.integers(len(pool), size=SCHEDULE.batch_size // WINDOW // parts):
            spec, stride = sample_spec(WORLD_SEED, int(number)), stride_of(int(number), STRIDES)
            first = int(random.integers(NUM_FRAMES - WINDOW + 1))
            window = slice(first * stride, (first + WINDOW) * stride, stride)
            pixels.append(to_pixels(render(spec, NUM_FRAMES * stride)[window]))
            masks.append(where_subjects_are([spec], NUM_FRAMES * stride)[0, window])
            latents.append(pool[number, first : first + WINDOW])
        true, given = torch.cat(pixels).to(device), torch.cat(latents).to(device)
        weight = 1 + SUBJECT_WEIGHT * torch.cat(masks).to(device)

        def loss() -> Tensor:
            decoded = vae.decode(given.to(vae.decoder.conv_in.weight.dtype), num_frames=WINDOW).sample
            return reconstruction_loss(decoded.float() - true, weight, EDGE_WEIGHT)

        return loss

    train(vae.decoder.requires_grad_(True), part_of_step, SCHEDULE, folder)
