"""Memory as a command tells of it: the peak of this process, and errors that say there was not enough."""

import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak: of tensors on a GPU since the process began, of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # not at the top: Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error, or what caused it, says that memory ran out, on a GPU or a CPU."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(cause, RuntimeError) and "can't allocate memory" in str(cause):  # torch on a CPU has no class
            return True
        cause = cause.__cause__ or cause.__context__
    return False
