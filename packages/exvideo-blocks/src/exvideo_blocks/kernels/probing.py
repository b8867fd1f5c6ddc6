"""A backend is probed by running it: what it must match, and what is said of one that does not run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class BackendError(RuntimeError):
    """A backend that was asked for cannot run here; the message says why, in one sentence."""


@contextmanager
def apart_from_the_caller(device: torch.device) -> Iterator[None]:
    """Makes a probe independent of the modes of its first caller, as its outcome holds for all later calls.

    Gradients are recorded, also where the caller is in `torch.inference_mode`; no autocast on the device; new tensors
    are the CPU's, whatever the default device.
    """
    no_autocast, on_the_cpu = torch.autocast(device.type, enabled=False), torch.device("cpu")
    with torch.inference_mode(False), torch.enable_grad(), no_autocast, on_the_cpu:
        yield


def failure(probe: Callable[[], None]) -> str | None:
    """The reason why a probe fails, in one line, or None: a missing operator, a compiler, too little shared memory.

    Raises:
        torch.OutOfMemoryError: the device's memory is full, which says nothing about the backend.
    """
    try:
        probe()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of whatever kind
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
    return None


def refuse_difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Raises:
    RuntimeError: two tensors differ by more than rounding in their dtype.
    """
    for ours, theirs in zip(found, expected, strict=True):
        difference, scale = float((ours - theirs).detach().abs().max()), float(theirs.detach().abs().max())
        if not difference <= 16 * torch.finfo(theirs.dtype).eps * max(scale, 1.0):
            raise RuntimeError(f"it computes something else, off by {difference:.2g} where values reach {scale:.2g}")
