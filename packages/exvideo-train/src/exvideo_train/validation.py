"""Held-out loss: the same clips, sigmas and noise every time, so that two evaluations differ by the weights alone."""

from typing import Any

import torch
from exvideo_blocks.families import svd

from exvideo_train.config import TrainConfig, ValidationSection
from exvideo_train.dataset import Clip
from exvideo_train.engine import Processes
from exvideo_train.latent_cache import LatentCache
from exvideo_train.noise import keyed_generator
from exvideo_train.step import Batch, collate, predict


class Validation:
    """Held-out loss of a network.

    Args:
        section: sigmas.
        config: the run, for its seed.
        cache: where the held-out clips are encoded.
        clips: the held-out clips.
        processes: clips and sigmas are spread over them.
    """

    def __init__(
        self,
        section: ValidationSection,
        config: TrainConfig,
        cache: LatentCache,
        clips: list[Clip],
        processes: Processes,
    ) -> None:
        self.section = section
        self.config = config
        self.cache = cache
        self.clips = clips
        self.processes = processes

    @torch.no_grad()
    def __call__(self, network: Any, dtype: torch.dtype) -> dict[str, float]:
        """Mean held-out loss and, by sigma, the mean squared error of the predicted clean latents.

        Every process must call, and runs the same number of forward passes (ZeRO 3 gathers weights in each).

        Returns:
            {"loss": ..., "mse_sigma_4": ..., ...}: the loss is the published one, averaged over clips and sigmas.
        """
        pairs = [(clip, sigma) for clip in range(len(self.clips)) for sigma in range(len(self.section.sigmas))]
        rounds = -(-len(pairs) // self.processes.count)
        losses = torch.zeros(len(self.section.sigmas))
        errors = torch.zeros(len(self.section.sigmas))
        for turn in range(rounds):
            number = turn * self.processes.count + self.processes.rank
            clip, sigma = pairs[number % len(pairs)]
            batch = self._batch(clip, sigma).to(self.processes.device)
            v, model_input = predict(network, batch, dtype)
            if number < len(pairs):
                losses[sigma] += svd.loss(v, model_input, batch.latents, batch.sigma).item()
                original = svd.predict_original(v, model_input, batch.sigma)
                errors[sigma] += (original - batch.latents).square().mean().item()
        losses, errors = (self.processes.sum(total) / len(self.clips) for total in (losses, errors))
        by_sigma = {f"mse_sigma_{sigma:g}": errors[i].item() for i, sigma in enumerate(self.section.sigmas)}
        return {"loss": losses.mean().item()} | by_sigma

    def _batch(self, clip: int, sigma: int) -> Batch:
        encoded = self.cache.read(self.clips[clip])
        generator = keyed_generator(self.config.seed, "validation", clip, sigma)
        noise = torch.randn(encoded.latents.shape, generator=generator)
        return collate([encoded], [torch.tensor(self.section.sigmas[sigma])], [noise])
