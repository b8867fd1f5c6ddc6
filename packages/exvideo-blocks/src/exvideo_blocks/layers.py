"""The two layers that ExVideo adds, a row per frame and a 3D convolution; and the base's linear layers, kept safe."""

from collections.abc import Callable
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exvideo_blocks.positions import POSITIONS


class PositionTable(nn.Module):
    """Trainable positions, a row of numbers for each temporal row of a clip.

    Attributes:
        weight: (rows, numbers).
    """

    weight: nn.Parameter

    def check_rows(self, num_rows: int) -> None:
        """Raises ValueError if a clip has more rows than the table."""
        if num_rows > self.weight.shape[0]:
            raise ValueError(
                f"num_frames={num_rows} is beyond the {self.weight.shape[0]} frames of this extension: "
                f"ask for at most {self.weight.shape[0]}, or train a longer extension."
            )

    def start_from(self, shorter: "PositionTable", positions: str) -> None:
        """Takes the rows that a shorter table has learned; the rule of `positions` is applied to them."""
        raise NotImplementedError


class FrameTable(PositionTable):
    """Trainable positions: one row of `channels` numbers a frame, replacing a fixed sinusoidal embedding.

    Args:
        rows: (frames, channels) initial values; the table takes their dtype and device.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(rows.clone())

    def forward(self, num_frames: int) -> Tensor:
        """The rows of the first `num_frames` frames, (num_frames, channels).

        Raises:
            ValueError: more frames than the table has rows.
        """
        self.check_rows(num_frames)
        return self.weight[:num_frames]

    def start_from(self, shorter: PositionTable, positions: str) -> None:
        """The trained rows at the positions; beyond the last one, this table's own start."""
        rows, beyond = shorter.weight.detach(), self.weight.detach()
        ids = POSITIONS[positions](len(rows), len(beyond))
        position = torch.tensor(ids, dtype=torch.float32, device=rows.device)
        between = interpolated_rows(rows, position)
        self.weight.data = torch.where((position <= len(rows) - 1)[:, None], between, beyond.to(rows.dtype))


def interpolated_rows(rows: Tensor, position: Tensor) -> Tensor:
    """The rows of a table at any positions, (positions, channels); beyond the last one, that one.

    Args:
        rows: (known, channels).
        position: (positions,), from 0, in rows.
    """
    last = len(rows) - 1
    low = position.floor().clamp(max=last).long()
    high = (low + 1).clamp(max=last)
    return torch.lerp(rows[low], rows[high], (position - low).clamp(max=1).to(rows.dtype)[:, None])


class IdentityConv3d(nn.Conv3d):
    """3x3x3 convolution over (batch, channels, frames, height, width) that starts as the identity, bit for bit.

    Edges are reflected. An axis of length 1 has no neighbour to reflect: its own value stands in, so a single frame
    or a one-row latent passes. Memory is channels last inside and out, (batch, frames, height, width, channels), and
    no step is left to chance on a GPU: the gradient of a reflection is a few slices added up, not atomics.

    Args:
        channels: channels in and out.
        depthwise: each channel is convolved by itself.
        device, dtype: of the parameters.
    """

    def __init__(
        self,
        channels: int,
        *,
        depthwise: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        groups = channels if depthwise else 1
        super().__init__(channels, channels, kernel_size=3, groups=groups, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.zero_()
            assert self.bias is not None
            self.bias.zero_()
            outputs, inputs = self.weight.shape[:2]
            centre = torch.eye(outputs) if inputs == outputs else torch.ones(outputs, 1)
            self.weight[:, :, 1, 1, 1] = centre.to(self.weight.device)

    def forward(self, input: Tensor, added: Tensor | None = None) -> Tensor:
        """The convolution of input, or of input + added without a pass of its own for the sum.

        Args:
            input: (batch, channels, frames, height, width), best a view of memory that has channels last.
            added: (batch, channels, frames, 1, 1), positions.

        Returns:
            of input's shape, a view of memory that has channels last where the convolution keeps that.
        """
        last = None if added is None else added.permute(_LAST)
        padded: Tensor = _WithHalo.apply(input.permute(_LAST), last)
        return super().forward(padded.permute(_FIRST))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # `model.to(memory_format=torch.channels_last)` converts tensors of 4 and of 5 axes, and fails on those of 5: a
        # base of images only can be converted, and its extension has to stay so.
        def on_four_axes(tensor: Tensor) -> Tensor:
            if tensor.dim() != 5:
                return fn(tensor)
            return fn(tensor.flatten(0, 1)).unflatten(0, tensor.shape[:2]).contiguous()

        return super()._apply(on_four_axes, recurse)


class BorrowedLinear(nn.Linear):
    """A linear layer over parameters of the base's, each of which it copies as soon as anybody else reaches for it.

    Whoever changes a layer by its name, as peft does to merge an update (`layer.weight.data += ...`), changes a copy;
    the base keeps its bits. Parameters that somebody trains are no longer copied. Made by `exvideo_blocks.twins` alone.

    Attributes:
        borrowed: names of the parameters that are the base's still.
        copied: names of those that were, and are copies now.
    """

    borrowed: set[str]
    copied: set[str]

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, *self._own())

    def _own(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias, for its own use, which copies nothing."""
        weight = self._parameters.get("weight")
        if weight is None:  # parametrized, pruned, or a replica's: what stands in its place is found by its name
            return self.weight, self.bias
        return weight, self._parameters.get("bias")

    @property
    def weight(self) -> Any:
        return self._reach("weight")

    @weight.setter
    def weight(self, value: Any) -> None:  # of a plain tensor: modules register parameters by themselves
        self.__dict__["weight"] = value

    @property
    def bias(self) -> Any:
        return self._reach("bias")

    @bias.setter
    def bias(self, value: Any) -> None:
        self.__dict__["bias"] = value

    def _reach(self, name: str) -> Any:
        if name not in self._parameters:
            if name not in self.__dict__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return self.__dict__[name]
        parameter = self._parameters[name]
        if parameter is not None and name in self.borrowed and not parameter.requires_grad:
            self.borrowed.discard(name)
            self.copied.add(name)
            parameter = self._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
        return parameter


class FrozenLinear(BorrowedLinear):
    """A frozen linear layer with a bias that rounds as it did before it was frozen.

    PyTorch multiplies a strided view of images as one matrix where the weight requires a gradient, and image by image
    where it does not. The two round differently, and freezing a model must not change what it computes. (Bits are
    promised on a CPU; elsewhere a bias added after the product would cost a pass of its own.)
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.is_contiguous():
            return super().forward(input)
        weight, bias = self._own()
        if input.device.type != "cpu":
            return F.linear(input.flatten(0, -2), weight, bias).unflatten(0, input.shape[:-1])
        assert bias is not None
        rows = F.linear(input.flatten(0, -2), weight)
        return (rows + bias.to(rows.dtype)).unflatten(0, input.shape[:-1])


_LAST, _FIRST = (0, 2, 3, 4, 1), (0, 4, 1, 2, 3)  # where channels go
_AXES = (1, 2, 3)  # of a video that has its channels last


class _WithHalo(torch.autograd.Function):
    """(batch, frames, height, width, channels) -> with one more row on either side of the middle axes, reflected."""

    @staticmethod
    def forward(ctx: Any, video: Tensor, added: Tensor | None) -> Tensor:
        batch, *lengths, channels = video.shape
        padded = video.new_empty(batch, *(length + 2 for length in lengths), channels)
        inside = padded[:, 1:-1, 1:-1, 1:-1]
        if added is None:
            inside.copy_(video)
        elif torch.compiler.is_compiling():  # which fuses the two, and has no `out`
            inside.copy_(video + added)
        else:
            torch.add(video, added, out=inside)
        for axis in reversed(_AXES):
            within = padded
            for other in _AXES[: axis - 1]:
                within = within.narrow(other, 1, lengths[other - 1])
            for halo, source in _reflected(lengths[axis - 1]):
                within.select(axis, halo).copy_(within.select(axis, source))
        ctx.lengths, ctx.adds = lengths, added is not None
        return padded

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        by_video = gradient.new_zeros(gradient.shape[0], *ctx.lengths, gradient.shape[-1])
        # In the order in which PyTorch's own backward adds on a CPU: by rising places in what was padded.
        for places in product(*map(_places, ctx.lengths)):
            padded, inside = zip(*places, strict=True)
            by_video[:, *inside] += gradient[:, *padded]
        by_added = None
        if ctx.adds and ctx.needs_input_grad[1]:
            by_added = by_video.flatten(2, 3).sum(2)[:, :, None, None]
        return by_video, by_added


def _reflected(length: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two rows around `length` of them, by their places in a padded axis, and those that they repeat."""
    return (0, min(2, length)), (length + 1, max(length - 1, 1))


def _places(length: int) -> list[tuple[slice, slice]]:
    """Parts of a padded axis, and of the axis itself, to which they belong."""
    (first, source_of_first), (last, source_of_last) = _reflected(length)
    return [
        (slice(first, first + 1), slice(source_of_first - 1, source_of_first)),
        (slice(1, length + 1), slice(0, length)),
        (slice(last, last + 1), slice(source_of_last - 1, source_of_last)),
    ]
