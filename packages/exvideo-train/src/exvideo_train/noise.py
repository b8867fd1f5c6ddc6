"""Random numbers keyed by what they are for, so that a sample's noise does not depend on the number of processes."""

from hashlib import sha256
from typing import TYPE_CHECKING

import torch
from exvideo_blocks.families.svd import karras_sigmas
from torch import Tensor

if TYPE_CHECKING:
    from exvideo_train.config import NoiseSection


def keyed_generator(seed: int, purpose: str, *key: int) -> torch.Generator:
    """A CPU generator that is a function of (seed, purpose, key) alone.

    Args:
        seed: the run's seed.
        purpose: what is drawn, so that two draws with one key are independent.
        key: step and global sample index, say.
    """
    digest = sha256(":".join([str(seed), purpose, *map(str, key)]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_sigma(section: "NoiseSection", generator: torch.Generator) -> Tensor:
    """One noise level, a scalar.

    `karras`: uniformly one of 1000 Karras sigmas, 700 to 0.002 (ExVideo). `lognormal`: exp(N(mean, std)) (SVD, EDM).
    """
    if section.distribution == "karras":
        sigmas = karras_sigmas()
        return sigmas[torch.randint(len(sigmas), (), generator=generator)]
    return (section.mean + section.std * torch.randn((), generator=generator)).exp()


def shuffled(seed: int, epoch: int, length: int) -> list[int]:
    """The order of one epoch: a permutation of range(length) that is a function of (seed, epoch)."""
    return torch.randperm(length, generator=keyed_generator(seed, "order", epoch)).tolist()


def clip_of_sample(seed: int, sample: int, length: int) -> int:
    """Which of `length` clips the run's sample number `sample` is: every clip once an epoch, in a new order each."""
    epoch, position = divmod(sample, length)
    return shuffled(seed, epoch, length)[position]
