"""Bytes that a forward pass moves outside of its products, counted without computing anything, on the meta device.

python -m benchmarks.unet.traffic [--frames 128] [--batch 1]

Every operator that is run by itself reads each of its inputs once and writes its outputs once; views move nothing.
Products (matrix products, convolutions, attention) are left out, as they are not bound by memory, but for what is done
around a convolution on a GPU: its bias is added in a pass of its own, and memory that has not channels last is
converted there and back. That is PyTorch's eager mode: what a compiler fuses is not counted as fused.
"""

import argparse
from collections import Counter
from typing import Any
from unittest.mock import patch

import torch
from exvideo_blocks.families.svd import block
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution")
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
MADE_OF_NOTHING = ("empty", "empty_like", "new_empty", "empty_strided")


class Traffic(TorchDispatchMode):
    """Counts while it is entered; `moved` has bytes by operator."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: Counter[str] = Counter()
        self._attention = _Attention()

    def __enter__(self) -> "Traffic":
        self._attention.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._attention.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "convolution":
            if args[2] is not None:
                self.moved["convolution, bias"] += 2 * _bytes(result)
            if _has_channels_last(args[0]):  # as on a GPU, where the result has what the input has
                result = torch.empty_like(result, memory_format=_FORMATS[result.dim()])
            else:
                self.moved["convolution, there and back"] += 2 * (_bytes(args[0]) + _bytes(result))
        elif not func.is_view and name not in (*PRODUCTS, *MADE_OF_NOTHING, "_unsafe_view", "detach"):
            given = {key: value for key, value in (kwargs or {}).items() if key != "out"}
            read = _tensors((args, given))
            written = _tensors(result)
            if name in ("copy_", "fill_", "zero_"):
                read = read[1:]  # the first argument is written alone
            self.moved[name] += sum(map(_bytes, read)) + sum(map(_bytes, written))
            if name == "native_group_norm":
                self.moved[name] += _bytes(args[0])  # once for the moments, once for the values
        return result

    @property
    def total(self) -> int:
        return sum(self.moved.values())


class _Attention(TorchFunctionMode):
    """Attention as the one operator that it is on a GPU: on the meta device it would be taken apart."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            query, _, value = args[:3]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))


def _has_channels_last(images: Tensor) -> bool:
    return images.is_contiguous(memory_format=_FORMATS[images.dim()])


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Of the memory behind it: an axis along which a tensor is expanded is read once."""
    numbers = 1
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        numbers *= length if stride else 1
    return numbers * tensor.element_size()


def svd_xt(num_frames: int) -> Any:
    """Stable Video Diffusion's UNet of true size on the meta device, in bfloat16, extended."""
    from diffusers import UNetSpatioTemporalConditionModel
    from exvideo_blocks import ExtensionConfig, extend

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(num_frames=25).to("meta", torch.bfloat16).eval()
    extend(unet, ExtensionConfig(num_frames))
    return unet.requires_grad_(False)


def _on_a_gpu(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
    """Temporal attention as the one kernel that reads and writes tokens in place."""
    return query.new_empty(query.shape)


def forward_traffic(unet: Any, num_frames: int, batch: int = 1, size: int = 64) -> Counter[str]:
    """Bytes by operator of one forward pass on latents of size x size."""
    half: dict[str, Any] = {"device": "meta", "dtype": torch.bfloat16}
    sample = torch.empty(batch, num_frames, 8, size, size, **half)
    context, ids = torch.empty(batch, 1, 1024, **half), torch.empty(batch, 3, **half)
    with torch.no_grad(), patch.object(block, "temporal_attention", _on_a_gpu), Traffic() as traffic:
        unet(sample, torch.empty((), device="meta"), context, added_time_ids=ids, return_dict=False)
    return traffic.moved


def main() -> None:
    """Prints gigabytes by operator."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unet.traffic", description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    moved = forward_traffic(svd_xt(options.frames), options.frames, options.batch)
    for name, count in moved.most_common(12):
        print(f"{name:<24} {count / 1e9:8.1f} GB")
    print(f"{'all':<24} {sum(moved.values()) / 1e9:8.1f} GB")


if __name__ == "__main__":
    main()
