"""Random numbers keyed by what they are for, so that a sample's noise does not depend on the number of processes."""

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
