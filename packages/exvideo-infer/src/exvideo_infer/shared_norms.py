"""Group norms that go by the statistics of a whole picture, while a network sees it tile by tile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class StatisticsMissing(Exception):  # noqa: N818 # no error: it ends a tile's way through the network
    """A tile has reached the first norm whose statistics are not known yet; its share of them has been taken."""


@dataclass(frozen=True)
class Moments:
    """Mean and variance of some values by group, and how many there are in each.

    Args:
        count: values of a group.
        mean, variance: (batch, groups), fp32; the variance is the mean square, as group norms take it.
    """

    count: int
    mean: Tensor
    variance: Tensor

    def merged(self, other: "Moments") -> "Moments":
        """The moments of both together (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        apart, share = other.mean - self.mean, other.count / count
        within = torch.lerp(self.variance, other.variance, share)
        return Moments(count, self.mean + apart * share, within + apart.square() * share * (1 - share))


class SharedNorms(TorchFunctionMode):
    """Within it, calls of `group_norm` go by statistics of the picture that the tiles make up together.

    A norm's statistics depend on all norms before it. So a network of n norms is run over all tiles n + 1 times: each
    time finds one norm's statistics, where `StatisticsMissing` ends a tile's way, and the last one reaches the end. No
    module is touched, and no other thread sees it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: list[Moments] = []
        self._found: Moments | None = None
        self._next = 0
        self._core: tuple[slice, slice] = (slice(None), slice(None))
        self._size = (1, 1)

    @contextmanager
    def tile(self, core: tuple[slice, slice], size: tuple[int, int]) -> Iterator[None]:
        """A block in which the network is run on one tile.

        Args:
            core: rows and columns of the tile that no other tile counts.
            size: height and width of the tile, its border included. Inside the network both may be multiplied.
        """
        self._next, self._core, self._size = 0, core, size
        with self:
            yield

    def settle(self) -> bool:
        """Takes the statistics that all tiles have given; False if there were none, so that all is done."""
        if self._found is None:
            return False
        self._known.append(self._found)
        self._found = None
        return True

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {} if kwargs is None else kwargs
        return self._group_norm(*args, **given) if function is F.group_norm else function(*args, **given)

    def _group_norm(
        self,
        input: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        if self._next == len(self._known):
            share = _moments(self._core_of(input), num_groups)
            self._found = share if self._found is None else self._found.merged(share)
            raise StatisticsMissing
        known = self._known[self._next]
        self._next += 1
        return _normalised(input, known, num_groups, weight, bias, eps)

    def _core_of(self, values: Tensor) -> Tensor:
        scales = [own // given for own, given in zip(values.shape[-2:], self._size, strict=True)]
        rows, columns = (
            slice(part.start * scale, part.stop * scale) for part, scale in zip(self._core, scales, strict=True)
        )
        return values[..., rows, columns]


def _moments(values: Tensor, num_groups: int) -> Moments:
    """Of (batch, channels, height, width), or (batch, channels, frames, height, width) over all frames."""
    if values.ndim == 4:
        each = [_moments_of_slice(one[None], num_groups) for one in values]
        mean, variance = (torch.cat([getattr(one, name) for one in each]) for name in ("mean", "variance"))
        return Moments(each[0].count, mean, variance)
    return reduce(Moments.merged, (_moments_of_slice(frame, num_groups) for frame in values.unbind(2)))


def _moments_of_slice(values: Tensor, num_groups: int) -> Moments:
    by_group = values.float().reshape(len(values), num_groups, -1)
    variance, mean = torch.var_mean(by_group, dim=-1, correction=0)
    return Moments(by_group.shape[-1], mean, variance)


def _normalised(
    values: Tensor, known: Moments, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Computed in fp32, as by PyTorch, a frame at a time: no copy of all values is made but the result."""
    repeats = values.shape[1] // num_groups
    scale = (known.variance + eps).rsqrt().repeat_interleave(repeats, dim=1)
    scale = scale if weight is None else scale * weight.float()
    shift = -known.mean.repeat_interleave(repeats, dim=1) * scale
    shift = shift if bias is None else shift + bias.float()
    out = torch.empty_like(values)
    if values.ndim == 4:
        frames = zip(out.split(1), values.split(1), shift.split(1), scale.split(1), strict=True)
    else:
        length = values.shape[2]
        frames = zip(out.unbind(2), values.unbind(2), [shift] * length, [scale] * length, strict=True)
    for place, frame, shift_of, scale_of in frames:
        place.copy_(torch.addcmul(shift_of[..., None, None], frame.float(), scale_of[..., None, None]))
    return out
