"""A moment of AdamW in 8 bits (arXiv 2110.02861), as bitsandbytes keeps it: written to files as it is, bit for bit.

Made fp32 and rounded to 8 bits again it could differ: the largest number of a block need not be in the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

PARTS = ("codes", "scales", "table")
BLOCK = 256  # of bitsandbytes


@dataclass(frozen=True)
class QuantizedMoment:
    """Numbers table[code] * scale, in blocks of `BLOCK` successive ones; the last one may have fewer.

    Args:
        codes: uint8, of the moment's shape.
        scales: fp32, (blocks,): the largest absolute value of each.
        table: fp32, (256,), rising.
    """

    codes: Tensor
    scales: Tensor
    table: Tensor

    def dequantize(self) -> Tensor:
        """The numbers, fp32."""
        scales = self.scales.repeat_interleave(BLOCK)[: self.codes.numel()]
        return (self.table[self.codes.flatten().int()] * scales).view(self.codes.shape)

    @torch.no_grad()
    def copy_(self, value: "Moment") -> None:
        """Takes over another moment's numbers: their bits if they are in 8 bits, else rounded."""
        if not isinstance(value, QuantizedMoment):
            value = quantize(value, self.table)
        self.codes.copy_(value.codes)
        self.scales.copy_(value.scales)
        self.table.copy_(value.table)

    def parts(self) -> dict[str, Tensor]:
        """Its tensors by name, for a file."""
        return {part: getattr(self, part) for part in PARTS}


Moment = Tensor | QuantizedMoment


def quantize(value: Tensor, table: Tensor) -> QuantizedMoment:
    """Rounds numbers to the nearest that a table has in each block."""
    flat = value.detach().to(table.device, torch.float32).flatten()
    blocks = torch.nn.functional.pad(flat, (0, -flat.numel() % BLOCK)).view(-1, BLOCK)
    scales = blocks.abs().amax(dim=1)
    relative = (blocks / scales.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).flatten()[: flat.numel()]
    middles = (table[1:] + table[:-1]) / 2
    codes = torch.bucketize(relative, middles).to(torch.uint8)
    return QuantizedMoment(codes.view(value.shape), scales, table)


def in_fp32(moment: Moment) -> Tensor:
    """A moment's numbers, whatever they are kept in."""
    return moment.dequantize() if isinstance(moment, QuantizedMoment) else moment


def to_file(kind: str, name: str, moment: Moment) -> Mapping[str, Tensor]:
    """Copies of a tensor's numbers on the CPU, under the names that a checkpoint has for them."""
    if isinstance(moment, QuantizedMoment):
        return {f"{kind}.{part}/{name}": value.to("cpu", copy=True) for part, value in moment.parts().items()}
    return {f"{kind}/{name}": moment.to("cpu", torch.float32, copy=True)}
