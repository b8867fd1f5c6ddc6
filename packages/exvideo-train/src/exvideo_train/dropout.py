"""Dropout whose draws are functions of (seed, step, sample), so that a resumed run drops the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from exvideo_train.noise import keyed_generator


class Dropout:
    """The dropout layers of a network: they drop within `on`, and nowhere else.

    Args:
        network: its `torch.nn.Dropout` layers get the share; diffusers' own have 0.
        share: of the activations, 0 to below 1.
        seed: of the run.
    """

    def __init__(self, network: nn.Module, share: float, seed: int) -> None:
        self._layers = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)] if share else []
        self._seed = seed
        for layer in self._layers:
            layer.p = share
            layer.eval()

    @contextmanager
    def on(self, step: int, sample: int) -> Iterator[None]:
        """Within, activations are dropped, by draws for this step and sample; sample is the first of a micro-batch."""
        if not self._layers:
            yield
            return
        # Layers draw from the global generators, which nothing else of a run does.
        draw = torch.randint(2**62, (), generator=keyed_generator(self._seed, "layers", step, sample))
        torch.manual_seed(int(draw))
        for layer in self._layers:
            layer.train()
        try:
            yield
        finally:
            for layer in self._layers:
                layer.eval()
