"""Held-out loss: the same clips, sigmas and noise every time, so that two evaluations differ by the weights alone."""

from typing import Any

import torch

from exvideo_train.config import TrainConfig, ValidationSection
from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.noise import keyed_generator
from exvideo_train.processes import Processes
from exvideo_train.step import Batch, Task, collate
from exvideo_train.stop import Requests


class Validation:
    """Held-out loss of a network.

    Args:
        task: asks the network and judges it.
        section: sigmas.
        config: the run, for its seed.
        cache: holds the held-out clips.
        clips: the held-out clips.
        processes: clips and sigmas are spread over them.
        requests: an evaluation ends early once one of the processes is asked to stop.
    """

    def __init__(
        self,
        task: Task,
        section: ValidationSection,
        config: TrainConfig,
        cache: LatentCache,
        clips: list[Clip],
        processes: Processes,
        requests: Requests,
    ) -> None:
        self.task = task
        self.section = section
        self.config = config
        self.cache = cache
        self.clips = clips
        self.processes = processes
        self.requests = requests

    @torch.no_grad()
    def __call__(self, network: Any, dtype: torch.dtype) -> dict[str, float] | None:
        """Mean held-out loss and, by sigma, the mean squared error of the predicted clean latents.

        Every process must call, and runs the same number of forward passes (ZeRO 3 gathers weights in each).

        Returns:
            {"loss": ..., "mse_sigma_4": ..., ...}: the loss is the objective's own, averaged over clips and sigmas.
            None if it was ended early.
        """
        pairs = [(clip, sigma) for clip in range(len(self.clips)) for sigma in range(len(self.section.sigmas))]
        rounds = -(-len(pairs) // self.processes.count)
        losses = torch.zeros(len(self.section.sigmas))
        errors = torch.zeros(len(self.section.sigmas))
        for turn in range(rounds):
            if self.processes.sum(torch.tensor(float(self.requests.stop))) > 0:
                return None
            number = turn * self.processes.count + self.processes.rank
            clip, sigma = pairs[number % len(pairs)]
            batch = self._batch(clip, sigma).to(self.processes.device)
            prediction, model_input = self.task.predict(network, batch, dtype)
            if number < len(pairs):
                objective, noise, level = self.task.objective, batch.noise, batch.level
                losses[sigma] += objective.loss(prediction, model_input, batch.latents, noise, level).item()
                original = objective.original(prediction, model_input, level)
                errors[sigma] += (original - batch.latents).square().mean().item()
        losses, errors = (self.processes.sum(total) / len(self.clips) for total in (losses, errors))
        by_sigma = {f"mse_sigma_{sigma:g}": errors[i].item() for i, sigma in enumerate(self.section.sigmas)}
        return {"loss": losses.mean().item()} | by_sigma

    def _batch(self, clip: int, sigma: int) -> Batch:
        encoded = self.cache.read(self.clips[clip])
        generator = keyed_generator(self.config.seed, "validation", clip, sigma)
        noise = torch.randn(encoded.latents.shape, generator=generator)
        return collate([encoded], [self.task.objective.level_at(self.section.sigmas[sigma])], [noise])
