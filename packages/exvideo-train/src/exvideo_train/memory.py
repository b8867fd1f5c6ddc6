"""The most memory that a process has held."""

import resource
import sys

import torch


def peak_gib(device: torch.device) -> float:
    """GiB: of a GPU's memory since `start_phase`, or of the process's own since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # bytes there, KiB elsewhere


def start_phase(device: torch.device) -> None:
    """Begins to measure anew, where that can be done: encoding, training and evaluation each have their peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
