"""A device's ceilings: bytes a second of a copy, operations a second of a matrix product."""

from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.stopwatch import Contender

COPY, MATMUL = "copy", "matrix product"
COPIED_BYTES = {"cpu": 128 * 2**20, "cuda": 2**30}
MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Ceilings:
    """Two contenders that do nothing but reach a ceiling; timed beside a kernel, they give the floor of its time.

    Args:
        contenders: `COPY` and `MATMUL`.
        copied_bytes: read and written by the one.
        flops: of the other.
    """

    contenders: dict[str, Contender]
    copied_bytes: int
    flops: int

    def floor(self, seconds: dict[str, Any], moved_bytes: int, flops: int) -> float:
        """Seconds that no program can beat: max(bytes / copy bandwidth, FLOPs / matmul rate).

        Args:
            seconds: that each contender took.
            moved_bytes: that the best program must read or write.
            flops: that it must do.
        """
        return max(seconds[COPY] * moved_bytes / self.copied_bytes, seconds[MATMUL] * flops / self.flops)


def ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Of random numbers: zeros would draw less power, and run faster on a GPU."""
    size = MATRIX_SIZE[device.type]
    generator = torch.Generator(device).manual_seed(0)
    length = COPIED_BYTES[device.type] // dtype.itemsize
    source = torch.randn(length, device=device, dtype=dtype, generator=generator)
    left, right = (torch.randn(size, size, device=device, dtype=dtype, generator=generator) for _ in range(2))
    target, product = torch.empty_like(source), torch.empty_like(left)
    contenders: dict[str, Contender] = {
        COPY: lambda: target.copy_(source),
        MATMUL: lambda: torch.mm(left, right, out=product),
    }
    return Ceilings(contenders, copied_bytes=2 * source.nbytes, flops=2 * size**3)
