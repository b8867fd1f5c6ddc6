"""Held-out loss: the same clips, sigmas and noise every time, so that two evaluations differ by the weights alone."""

import json
from hashlib import sha256
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from exvideo_train.config import TrainConfig, ValidationSection
from exvideo_train.data.buckets import by_bucket
from exvideo_train.data.dataset import Clip
from exvideo_train.data.fingerprint import fingerprint_of
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.noise import keyed_generator
from exvideo_train.processes import Processes
from exvideo_train.step import Batch, Task, collate
from exvideo_train.stop import Requests
from exvideo_train.validation.evaluation import Evaluation


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
        base_rows: temporal rows of the longest clip that the base was trained on.
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
        base_rows: int,
    ) -> None:
        self.task = task
        self.section = section
        self.config = config
        self.cache = cache
        self.clips = clips
        self.processes = processes
        self.requests = requests
        self.base_rows = base_rows

    @torch.no_grad()
    def __call__(self, network: Any, dtype: torch.dtype) -> Evaluation | None:
        """Judges a network at every pair of a held-out clip and a sigma.

        Every process must call, and runs the same number of forward passes (ZeRO 3 gathers weights in each).

        Args:
            network: of the task's family, or a wrapper of one.
            dtype: that it computes in.

        Returns:
            None if it was ended early.
        """
        sigmas = self.section.sigmas
        pairs = [(clip, sigma) for clip in range(len(self.clips)) for sigma in range(len(sigmas))]
        rounds = -(-len(pairs) // self.processes.count)
        losses, errors, by_clip = torch.zeros(len(sigmas)), torch.zeros(len(sigmas)), torch.zeros(len(self.clips))
        lengths = torch.tensor([self.task.family.rows(clip.num_frames) for clip in self.clips])
        by_frame = torch.zeros(len(sigmas), int(lengths.max()))
        for turn in range(rounds):
            if self.processes.sum(torch.tensor(float(self.requests.stop))) > 0:
                return None
            number = turn * self.processes.count + self.processes.rank
            clip, sigma = pairs[number % len(pairs)]
            batch = self._batch(clip, sigma).to(self.processes.device)
            prediction, model_input = self.task.predict(network, batch, dtype)
            if number < len(pairs):
                objective, noise, level = self.task.objective, batch.noise, batch.level
                loss = objective.loss(prediction, model_input, batch.latents, noise, level).item()
                losses[sigma] += loss
                by_clip[clip] += loss / len(sigmas)
                error = (objective.original(prediction, model_input, level) - batch.latents).square()
                errors[sigma] += error.mean().item()
                by_frame[sigma, : error.shape[1]] += error[0].flatten(1).mean(dim=1).cpu()
        losses, errors = (self.processes.sum(sums) / len(self.clips) for sums in (losses, errors))
        clips_with_row = (lengths[:, None] > torch.arange(by_frame.shape[1])).sum(dim=0)
        by_frame = self.processes.sum(by_frame) / clips_with_row
        curves = (losses.tolist(), errors.tolist(), by_frame.tolist())
        return Evaluation(sigmas, losses.mean().item(), *curves, self._by_bucket(self.processes.sum(by_clip)))

    def _by_bucket(self, losses: Tensor) -> dict[str, float]:
        loss_of = dict(zip(self.clips, losses.tolist(), strict=True))
        buckets = by_bucket(self.clips)
        if len(buckets) == 1:
            return {}
        return {bucket.name: fmean(loss_of[clip] for clip in clips) for bucket, clips in buckets.items()}

    def content(self) -> str:
        """A fingerprint of all that an evaluation's figures depend on besides the network, 64 hex digits."""
        clips = [self.cache.read(clip) for clip in self.clips]
        tensors = [value for clip in clips for value in (clip.latents, *vars(clip.conditions).values())]
        digest = fingerprint_of((str(at), value) for at, value in enumerate(tensors) if value is not None)
        settings = [self.section.sigmas, self.config.seed, self.config.loss.model_dump()]
        return sha256(json.dumps([digest, settings]).encode()).hexdigest()

    def _batch(self, clip: int, sigma: int) -> Batch:
        encoded = self.cache.read(self.clips[clip])
        generator = keyed_generator(self.config.seed, "validation", clip, sigma)
        noise = torch.randn(encoded.latents.shape, generator=generator)
        return collate([encoded], [self.task.objective.level_at(self.section.sigmas[sigma])], [noise])
