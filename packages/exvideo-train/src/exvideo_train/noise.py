"""Random numbers keyed by what they are for, so that a sample's noise does not depend on the number of processes."""

from functools import lru_cache
from hashlib import sha256

import torch


def keyed_generator(seed: int, purpose: str, *key: int) -> torch.Generator:
    """A CPU generator that is a function of (seed, purpose, key) alone.

    Args:
        seed: the run's seed.
        purpose: names the draw, so that two draws with one key are independent.
        key: step and global sample index, say.
    """
    digest = sha256(":".join([str(seed), purpose, *map(str, key)]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@lru_cache(maxsize=4)  # asked for once a sample, and a batch may reach from one epoch into the next
def shuffled(seed: int, epoch: int, length: int) -> tuple[int, ...]:
    """The order of one epoch: a permutation of range(length) that is a function of (seed, epoch)."""
    return tuple(torch.randperm(length, generator=keyed_generator(seed, "order", epoch)).tolist())


def clip_of_sample(seed: int, sample: int, length: int) -> int:
    """The index among `length` clips of the run's sample number `sample`: every clip once an epoch, in a new order."""
    epoch, position = divmod(sample, length)
    return shuffled(seed, epoch, length)[position]
