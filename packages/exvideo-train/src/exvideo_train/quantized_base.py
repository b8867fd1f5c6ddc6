"""The frozen linear layers of a base in 8 or 4 bits, made whole where they are used: for low-rank updates beside them.

fp8 is float8_e4m3fn (arXiv 2209.05433) with a scale for each output; nf4 is that of QLoRA (arXiv 2305.14314), by
bitsandbytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NF4_BLOCK = 64  # numbers that share a scale, as in QLoRA


class QuantizedWeight(Tensor):
    """A frozen weight (outputs, inputs) of a linear layer that is kept in few bits.

    `F.linear` makes it whole, in the input's dtype, in the forward pass and again in the backward pass; so does
    whatever else reads it.
    """

    packed: list[Tensor]
    unpack: Callable[[list[Tensor], torch.dtype], Tensor]

    @staticmethod
    def __new__(
        cls, weight: Tensor, packed: list[Tensor], unpack: Callable[[list[Tensor], torch.dtype], Tensor]
    ) -> "QuantizedWeight":
        made: QuantizedWeight = Tensor._make_wrapper_subclass(
            cls, weight.shape, dtype=weight.dtype, device=packed[0].device
        )
        made.packed, made.unpack = packed, unpack
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"QuantizedWeight({tuple(self.shape)}, {self.num_bytes} bytes)"

    @property
    def num_bytes(self) -> int:
        """Bytes that it takes."""
        return sum(part.nbytes for part in self.packed)

    def whole(self, dtype: torch.dtype) -> Tensor:
        """The weight, as near as the bits are."""
        return self.unpack(self.packed, dtype)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.linear:
            return _linear(*args, **kwargs)
        return super().__torch_function__(func, types, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # PyTorch declares it as of an instance
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.detach.default:
            return cls(args[0], args[0].packed, args[0].unpack)

        def read(value: Any) -> Any:
            return value.whole(value.dtype) if isinstance(value, cls) else value

        return func(*torch.utils._pytree.tree_map(read, args), **torch.utils._pytree.tree_map(read, kwargs or {}))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: QuantizedWeight, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return F.linear(input, weight.whole(input.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient @ ctx.weight.whole(gradient.dtype), None, None


def _linear(input: Tensor, weight: QuantizedWeight, bias: Tensor | None = None) -> Tensor:
    assert bias is None or not bias.requires_grad
    output: Tensor = _Linear.apply(input, weight, bias)
    return output


@dataclass(frozen=True)
class Quantized:
    """The outcome of `quantize_base`.

    Args:
        layers: their number.
        bytes_before, bytes_after: of their weights.
        error: root of the squared differences of all weights over that of their squares.
    """

    layers: int
    bytes_before: int
    bytes_after: int
    error: float

    def __str__(self) -> str:
        gib = f"{self.bytes_before / 2**30:.2f} to {self.bytes_after / 2**30:.2f} GiB"
        return f"{self.layers} frozen linear layers went from {gib}; relative error of their weights {self.error:.1%}."


@torch.no_grad()
def quantize_base(modules: Iterable[nn.Module], precision: str) -> Quantized:
    """Puts the frozen weights of linear layers in few bits, in place; one that layers share stays shared.

    Args:
        modules: those of the model, and those that have its weights, too.
        precision: "fp8" or "nf4".
    """
    pack = {"fp8": _to_fp8, "nf4": _to_nf4}[precision]
    made: dict[int, nn.Parameter] = {}
    keep: list[nn.Parameter] = []  # so that no other tensor gets one of their ids meanwhile
    before = after = 0
    squares, total = 0.0, 0.0
    for module in modules:
        weight = module._parameters.get("weight") if isinstance(module, nn.Linear) else None
        if weight is None or weight.requires_grad or isinstance(weight, QuantizedWeight):
            continue
        if id(weight) not in made:
            quantized = pack(weight.detach())
            squares += (quantized.whole(torch.float32) - weight.float()).square().sum().item()
            total += weight.float().square().sum().item()
            before, after = before + weight.nbytes, after + quantized.num_bytes
            made[id(weight)] = nn.Parameter(quantized, requires_grad=False)
            keep.append(weight)
        module._parameters["weight"] = made[id(weight)]
    return Quantized(len(made), before, after, (squares / total) ** 0.5 if total else 0.0)


def _to_fp8(weight: Tensor) -> QuantizedWeight:
    largest = torch.finfo(torch.float8_e4m3fn).max
    scales = weight.float().abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / largest
    return QuantizedWeight(weight, [(weight.float() / scales).to(torch.float8_e4m3fn), scales], _from_fp8)


def _from_fp8(packed: list[Tensor], dtype: torch.dtype) -> Tensor:
    codes, scales = packed
    return (codes.float() * scales).to(dtype)


def _to_nf4(weight: Tensor) -> QuantizedWeight:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    codes, rule = quantize_4bit(weight.float().contiguous(), blocksize=NF4_BLOCK, quant_type="nf4")

    def unpack(packed: list[Tensor], dtype: torch.dtype) -> Tensor:
        numbers: Tensor = dequantize_4bit(packed[0], rule)
        return numbers.to(dtype)

    return QuantizedWeight(weight, [codes, rule.absmax], unpack)
