"""Memory as a command tells of it: the peak of this process, and errors that say there was not enough."""

import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak: of tensors on a GPU since the process began, of the whole process on a CPU.

    Args:
        device: whose memory is asked for.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if STATUS.is_file():  # what Linux gives below is the peak of whoever started this program, where that was larger
        lines = STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
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
