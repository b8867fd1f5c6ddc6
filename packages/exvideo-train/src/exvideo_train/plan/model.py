"""The model of a plan: the base, extended, and a batch of the shapes that training will have."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from exvideo_blocks import Extension, extend, restore
from exvideo_infer import Base, encode_for
from torch import nn

from exvideo_train.bases import completed, open_base, task_of
from exvideo_train.config import TrainConfig
from exvideo_train.data.buckets import Bucket
from exvideo_train.mounting import checkpoint_activations, trained_parameters, undecayed_of
from exvideo_train.plan.activations import peak_of_a_pass, stretched
from exvideo_train.plan.state import Shapes
from exvideo_train.step import Batch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Encoded:
    """One clip as the cache will have it, of one frame where frames are encoded apart.

    Args:
        latents: (frames, ...).
        rest: tensors of its first frame and its caption.
    """

    latents: torch.Tensor
    rest: dict[str, torch.Tensor]


class PlannedModel:
    """The base of a run, loaded once and extended anew for each change of the settings that is tried.

    Args:
        config: the run.
        device: "cpu", or "meta" for any other, as `peak_of_a_pass` takes it.
        draw_weights: True for a network that will be run.
        base: in place of the one that the configuration names.

    Attributes:
        bucket: size and length of the clips that are planned for: the largest that the configuration allows, until the
            largest that there are is put in its place, before anything is measured.

    Raises:
        UserError, BaseModelError: as training would, before it encodes.
    """

    def __init__(
        self, config: TrainConfig, device: str = "cpu", *, draw_weights: bool = False, base: Base | None = None
    ) -> None:
        self.device = device
        self.base: Base = base or open_base(config, draw_weights=draw_weights)
        self.config = completed(config, self.base)
        self.task = task_of(config, self.base)
        sizes = self.config.data.all_sizes
        self.bucket = max((Bucket(*size, config.clip_lengths[0]) for size in sizes), key=lambda one: one.pixels)
        self._peaks: dict[tuple[Any, ...], int] = {}

    @cached_property
    def encoded(self) -> Encoded:
        """A black clip of the bucket, encoded."""
        frames = 1 if self.base.encodes_frames_apart else self.bucket.num_frames
        made = encode_for(self.base, torch.zeros(frames, 3, self.bucket.height, self.bucket.width))
        return Encoded(made["latents"], {name: value for name, value in made.items() if name != "latents"})

    def extended(self, config: TrainConfig) -> Extension:
        """The extension of a configuration on the base's network, to be taken off by `restore`."""
        return extend(self.base.network, config.extension.mounted)

    def shapes(self, config: TrainConfig) -> Shapes:
        """Shapes of the network and of what trains."""
        extension = self.extended(config)
        try:
            trained = trained_parameters(extension, self.base.network, config, self.context_tokens)
            whole = config.optimizer.weight_decay_on == "all"
            network = self.base.network
            return Shapes(
                {name: parameter.shape for name, parameter in trained.items()},
                set() if whole else undecayed_of(trained, extension),
                tuple(p.numel() for name, p in network.named_parameters() if name not in trained),
                sum(buffer.nbytes for buffer in network.buffers()),
                tuple(
                    layer.weight.shape
                    for layer in network.modules()
                    if isinstance(layer, nn.Linear) and not layer.weight.requires_grad
                ),
                sum(parameter.numel() for parameter in extension.named_parameters().values()),
            )
        finally:
            restore(self.base.network)

    def activation_bytes(self, config: TrainConfig) -> int:
        """The most bytes of one forward and backward pass of a micro-batch beside the weights."""
        key = (config.extension, config.optimizer.micro_batch_size, config.engine)
        if key not in self._peaks:
            self._peaks[key] = self._measure(config)
        return self._peaks[key]

    def batch(self, config: TrainConfig) -> Batch:
        """A micro-batch of the shapes that training will have."""
        encoded = self.encoded
        tokens = encoded.latents.numel() // encoded.latents.shape[1]
        level = self.task.objective.draw(torch.Generator().manual_seed(0), tokens)
        conditions = self.base.conditions({"latents": encoded.latents, **encoded.rest}, fps=8.0, motion_bucket_id=0.0)
        one = Batch(encoded.latents[None].float(), encoded.latents[None].float(), level[None], conditions)
        return stretched(one, self.task.family.rows(self.bucket.num_frames), config.optimizer.micro_batch_size)

    def _measure(self, config: TrainConfig) -> int:
        extension, network = self.extended(config), self.base.network
        try:
            trained = set(trained_parameters(extension, network, config, self.context_tokens))
            checkpoint_activations(network, extension, config)
            dtype = DTYPES[config.engine.precision]
            return peak_of_a_pass(network, trained, self.task, self.batch(config), dtype, self.device)
        finally:
            network.disable_gradient_checkpointing()
            restore(network)  # and with it the checkpoints of the temporal blocks

    @property
    def context_tokens(self) -> int:
        """Tokens that the network is conditioned on."""
        encoded = self.encoded
        conditions = self.base.conditions({"latents": encoded.latents, **encoded.rest}, fps=8.0, motion_bucket_id=0.0)
        return conditions.tokens.shape[1]
