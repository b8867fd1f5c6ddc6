"""A backend is probed by running it: what it must match, and what is said of one that does not run."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class BackendError(RuntimeError):
    """A backend that was asked for cannot run here; the message says why, in one sentence."""


def failure(probe: Callable[[], None]) -> str | None:
    """Why a probe fails, in one line, or None: a missing operator, a compiler, too little shared memory."""
    try:
        probe()
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
