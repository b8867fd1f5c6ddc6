"""A device's ceilings: a copy of as many bytes as a program must move, and a matrix product."""

from typing import Any

import torch

from benchmarks.stopwatch import Contender

COPY, MATMUL = "copy of the same bytes", "matrix product"
MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}


class Ceilings:
    """Contenders that do nothing but reach a ceiling; timed beside a kernel, they give the floor of its time.

    Of random numbers: zeros would draw less power, and run faster on a GPU.

    Args:
        device, dtype: of the numbers.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        size = MATRIX_SIZE[device.type]
        self._device, self._dtype = device, dtype
        self._left, self._right = self._random(size, size), self._random(size, size)
        self._product = torch.empty_like(self._left)
        self.flops = 2 * size**3

    def contenders(self, moved_bytes: int) -> dict[str, Contender]:
        """`COPY`, which reads half of the bytes and writes half, and `MATMUL`, of `flops`."""
        source = self._random(max(1, moved_bytes // (2 * self._dtype.itemsize)))
        target = torch.empty_like(source)
        return {
            COPY: lambda: target.copy_(source),
            MATMUL: lambda: torch.mm(self._left, self._right, out=self._product),
        }

    def floor(self, seconds: dict[str, Any], flops: int) -> float:
        """Seconds that no program can beat: max(a copy of its bytes, FLOPs / matmul rate).

        The copy is timed as the program is, with what a launch and a cold cache cost at any size.

        Args:
            seconds: that each contender took.
            flops: that the program must do.
        """
        return max(seconds[COPY], seconds[MATMUL] * flops / self.flops)

    def _random(self, *shape: int) -> torch.Tensor:
        generator = torch.Generator(self._device).manual_seed(0)
        return torch.randn(shape, device=self._device, dtype=self._dtype, generator=generator)
