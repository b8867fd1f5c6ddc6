"""Sampling that begins at a lower noise level, from the Gaussian nearest to clips noised to it: Analytic-Init.

Of conditional image leakage (Zhao et al., arXiv 2406.15735): where all is noise, an image-to-video model leans on its
first frame, and what it makes stands still. So it starts later, and what it starts from is no longer noise alone. Of
clips X with noise of deviation s, the Gaussian N(m, v I) of least divergence has m = E[X] and v = tr(Cov X) / d + s^2
(their equation 5, of a scheduler whose signal stays as it is); the authors estimate both of training clips.
"""

from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_infer.encoders import encode_clip
from torch import Tensor

from benchmarks.quality.making import Batch, Frames, whole
from tiny_world.system.batches import clips_of

# The authors lower Stable Video Diffusion's 700 to 100; the embedded model's 100 is lowered as much.
SIGMA_MAX = 100.0 / 7
CLIPS = 56  # that the moments are of: 8 of each kind of motion
MOMENTS = "moments_{num_frames}.safetensors"


def start_later(pipe: Any) -> None:
    """Gives a pipeline a scheduler that begins at `SIGMA_MAX`."""
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, sigma_max=SIGMA_MAX)


def moments(pipe: Any, num_frames: int, folder: Path) -> tuple[Tensor, float]:
    """Mean (frames, channels, height, width) and mean variance of the latents of clips of the split "train".

    They are kept in a file of the folder.
    """
    path = folder / MOMENTS.format(num_frames=num_frames)
    if not path.exists():
        total, squares = torch.zeros(()), torch.zeros(())
        for index in range(CLIPS):
            pixels = clips_of(range(index, index + 1), num_frames).pixels
            latents = encode_clip(pipe.vae, pixels)[0].float()
            total, squares = total + latents, squares + latents.square()
        folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(path, {"sum": total, "squares": squares}, {})
    sums = read_safetensors(path)[0]
    mean = sums["sum"] / CLIPS
    return mean, float((sums["squares"] / CLIPS - mean.square()).mean())


def analytic(pipe: Any, batch: Batch, num_frames: int, steps: int, folder: Path) -> list[Frames]:
    """All frames at once, from the best Gaussian at `SIGMA_MAX`.

    Args:
        pipe: of `start_later`.
        folder: of the moments.
    """
    mean, variance = moments(pipe, num_frames, folder)
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(steps)
    level = float(scheduler.init_noise_sigma)
    noise = torch.stack([_noise(generator, mean.shape, pipe.unet.dtype) for generator in batch.generators])
    begun = noise * (level**2 + variance) ** 0.5 + mean
    return whole(pipe, batch, num_frames, steps, latents=begun / level)  # which the pipeline multiplies by the level


def _noise(generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """A clip's noise as the pipeline draws it: after that of the first frame, of eight pixels to a latent."""
    torch.randn((3, 8 * shape[-2], 8 * shape[-1]), generator=generator)
    return torch.randn(shape, generator=generator, dtype=dtype).float()
