"""The most memory that a process has held."""

import torch
from exvideo_infer import peak_memory


def peak_gib(device: torch.device) -> float:
    """GiB: of a GPU's memory since `start_phase`, or of the process's own since it began."""
    return peak_memory(device) / 2**30


def start_phase(device: torch.device) -> None:
    """Begins to measure anew, where that can be done: encoding, training and evaluation each have their peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
