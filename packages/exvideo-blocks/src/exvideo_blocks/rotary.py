"""Trainable offsets of the angles of a rotary embedding, along the temporal axis alone."""

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from exvideo_blocks.frequencies import FREQUENCIES
from exvideo_blocks.layers import PositionTable, interpolated_rows
from exvideo_blocks.positions import POSITIONS

OFFSETS = "angle_offsets.weight"  # the end of their name in every family
_KEPT = ("weight", "start", "start_turned")


class AngleOffsets(PositionTable):
    """Angles to turn the base's own rotary positions by, a row of them for each temporal row of a clip.

        angle = base's own + start + weight          weight is zero at first, and trains

    `start` is the difference between the rule that the longer clip starts from and the base's own positions, continued;
    it is zero where the two agree. All of it is in fp32, whatever the model is cast to, so that no small step is lost.

    Args:
        frequencies: radians a row of the base's temporal components.
        known_rows: temporal rows that the base was trained at.
        num_rows: temporal rows of the longest clip.
        positions: one of `exvideo_blocks.positions.STARTS`.
        device: of the parameter.

    Attributes:
        weight: (rows, frequencies).
        start: (rows, frequencies), in no file.
        start_turned: the same less whole turns, which fp32 has to 1e-7: of many rows they would be most of it.
    """

    start: Tensor
    start_turned: Tensor

    def __init__(
        self,
        frequencies: Sequence[float],
        known_rows: int,
        num_rows: int,
        positions: str,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.frequencies = tuple(frequencies)
        start = start_angles(frequencies, known_rows, num_rows, positions) - _continued(frequencies, num_rows)
        self.weight = nn.Parameter(torch.zeros(start.shape, device=device, dtype=torch.float32))
        less = torch.remainder(start + math.pi, 2 * math.pi) - math.pi
        self.register_buffer("start", start.float().to(device), persistent=False)
        self.register_buffer("start_turned", less.float().to(device), persistent=False)

    def forward(self, num_rows: int, device: torch.device, row_scale: float | Tensor = 1.0) -> Tensor:
        """Angles to add to the base's own, (num_rows, frequencies) in fp32, less whole turns of the start.

        Args:
            num_rows: temporal rows of the clip.
            device: of the clip.
            row_scale: steps of the base's position from row to row, in those that `frequencies` are for.

        Raises:
            ValueError: more rows than the table has.
        """
        self.check_rows(num_rows)
        is_own = not isinstance(row_scale, Tensor) and row_scale == 1.0
        start = (self.start_turned if is_own else self.start)[:num_rows].to(device)
        return (start if is_own else start * row_scale) + self.weight[:num_rows].to(device)

    def start_from(self, shorter: PositionTable, positions: str) -> None:
        """The trained angles at the positions; what was learned stays on top of the start where a rule changes it."""
        assert isinstance(shorter, AngleOffsets)
        known, beyond = len(shorter.weight), len(self.weight) - len(shorter.weight)
        learned = shorter.weight.detach().to(self.weight)
        if positions in FREQUENCIES:
            self.weight.data = nn.functional.pad(learned, (0, 0, 0, beyond))
            return
        position = torch.tensor(POSITIONS[positions](known, known + beyond), dtype=torch.float64)
        by_base = _continued(self.frequencies, known + beyond)
        # What was learned is added last: where a row keeps its place, this is nothing, and it keeps its bits.
        moved = position[:, None] * torch.tensor(self.frequencies, dtype=torch.float64) - by_base
        moved += interpolated_rows(shorter.start.detach().cpu().double(), position)
        moved -= self.start.detach().cpu().double()
        rows = interpolated_rows(learned, position.to(learned.device, torch.float32)) + moved.to(learned)
        self.weight.data = torch.where((position <= known - 1)[:, None].to(rows.device), rows, torch.zeros_like(rows))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept = {name: getattr(self, name).detach() for name in _KEPT}
        super()._apply(fn, recurse)
        for name, before in kept.items():
            now = getattr(self, name)
            if now.dtype != before.dtype:
                now.data = before.to(now.device)
                if now.grad is not None:
                    now.grad = now.grad.to(before.dtype)
        return self


def start_angles(frequencies: Sequence[float], known_rows: int, num_rows: int, positions: str) -> Tensor:
    """Angles that a longer clip starts from, (num_rows, frequencies) in fp64.

    Args:
        frequencies: radians a row of the base's temporal components.
        known_rows: temporal rows that the base was trained at.
        num_rows: temporal rows of the clip.
        positions: one of `exvideo_blocks.positions.STARTS`: positions of the base, or other frequencies.
    """
    if positions in FREQUENCIES:
        return _continued(FREQUENCIES[positions](frequencies, known_rows, num_rows), num_rows)
    ids = torch.tensor(POSITIONS[positions](known_rows, num_rows), dtype=torch.float64)
    return torch.outer(ids, torch.tensor(frequencies, dtype=torch.float64))


def _continued(frequencies: Sequence[float], num_rows: int) -> Tensor:
    rows = torch.arange(num_rows, dtype=torch.float64)
    return torch.outer(rows, torch.tensor(frequencies, dtype=torch.float64))


def turned(cos: Tensor, sin: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of a + d, in the type of those of a: cos a cos d - sin a sin d, sin a cos d + cos a sin d.

    Where d is zero, they are those of a, bit for bit.

    Args:
        cos, sin: of the base's angles a.
        angles: d, in fp32, of a shape that broadcasts to theirs.
    """
    wide = torch.promote_types(cos.dtype, angles.dtype)
    cos_d, sin_d = angles.cos().to(wide), angles.sin().to(wide)
    cos_a, sin_a = cos.to(wide), sin.to(wide)
    return (cos_a * cos_d - sin_a * sin_d).to(cos.dtype), (sin_a * cos_d + cos_a * sin_d).to(sin.dtype)


def turned_columns(cos: Tensor, sin: Tensor, angles: Tensor, token_axis: int) -> tuple[Tensor, Tensor]:
    """Rotary tables of which the first columns are temporal, two neighbours a component, turned by angles.

    Args:
        cos, sin: (..., tokens, ..., columns); the tokens of a temporal row stand together.
        angles: (rows, components).
        token_axis: where the tokens are.
    """
    rows, components = angles.shape
    tokens = cos.shape[token_axis] // rows
    shape = [1] * cos.ndim
    shape[token_axis], shape[-1] = rows * tokens, 2 * components
    by_token = angles.repeat_interleave(2, dim=1).repeat_interleave(tokens, dim=0).view(shape)
    temporal = slice(0, 2 * components)
    new_cos, new_sin = turned(cos[..., temporal], sin[..., temporal], by_token)
    rest = slice(2 * components, None)
    return torch.cat([new_cos, cos[..., rest]], dim=-1), torch.cat([new_sin, sin[..., rest]], dim=-1)
