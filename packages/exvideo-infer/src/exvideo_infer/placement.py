"""The device that a network computes on, wherever its weights rest; and parts that one thread uses at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch

_making = Lock()
_locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def execution_device(network: Any) -> torch.device:
    """The device that inputs of a network have to be on: that of offloading where it is offloaded, else its own.

    Args:
        network: of diffusers or transformers, perhaps with hooks of accelerate or of diffusers' group offloading.
    """
    from diffusers.hooks.group_offloading import _get_group_onload_device

    try:
        return _get_group_onload_device(network)
    except ValueError:  # it has none
        pass
    for module in network.modules():
        device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device)
    own: torch.device = network.device
    return own


@contextmanager
def exclusive(part: Any) -> Iterator[None]:
    """A block in which no other thread uses a part that keeps state: a VAE that may be cast, a tokenizer's padding."""
    with _making:
        lock = _locks.setdefault(part, RLock())
    with lock:
        yield
