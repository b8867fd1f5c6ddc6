"""Conditions of a benchmark: device, dtype, threads, rounds."""

from dataclasses import dataclass
from typing import Any

import torch
from exvideo_eval.machine import cpu_name

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class ConditionsError(ValueError):
    """A benchmark cannot be run as it was asked to be; the message says why, in one sentence."""


@dataclass(frozen=True)
class Conditions:
    """A run's conditions.

    Args:
        device: "cpu" or "cuda".
        dtype: "fp32" or "bf16".
        threads: of PyTorch, on the CPU.
        rounds: how often each contender is timed.
        warmup: rounds before, which do not count.
    """

    device: str
    dtype: str
    threads: int
    rounds: int
    warmup: int = 2

    def apply(self) -> None:
        """Sets the number of threads of this process; TF32 is off, so that fp32 means fp32."""
        torch.set_num_threads(self.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.device)

    @property
    def torch_dtype(self) -> torch.dtype:
        return DTYPES[self.dtype]

    def protocol(self) -> dict[str, Any]:
        """As plain JSON values; the device by its name, if it is a GPU."""
        name = torch.cuda.get_device_name() if self.device == "cuda" else "CPU"
        return {
            "device": name,
            "dtype": self.dtype,
            "threads": self.threads,
            "rounds": self.rounds,
            "warmup": self.warmup,
            "order": "every contender once a round, in rotated order; ratios round by round",
            "cpu": cpu_name(),
        }
