"""Both kernels compile for the GPUs that are meant, which needs no GPU: what the interpreter lets pass fails here."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks.kernels.add_layer_norm.plan import tile_of

POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
TENSORS = ("tokens", "added", "weight", "bias", "total", "normed", "grad_total", "grad_normed", "grad_tokens")
NUMBERS = dict.fromkeys(("rows", "positions", "frames", "added_frames", "group_rows", "chunks"), "i32") | {
    "eps": "fp32",
    "partial": "*fp32",
}


def check(compile_for_gpu: Callable[..., Any], channels: int, dtype: torch.dtype, sums: int, capability: int) -> None:
    from exvideo_blocks.kernels.add_layer_norm.row_kernels import add_norm_backward, add_norm_forward

    tile = tile_of(channels)
    types = NUMBERS | dict.fromkeys(TENSORS, POINTERS[dtype])
    constants = {"channels": channels, "sums": sums, "tiles": 8, "block_rows": tile.block_rows, "block_c": tile.block_c}
    for kernel in (add_norm_forward, add_norm_backward):
        compiled = compile_for_gpu(kernel, capability, constants, types, num_warps=tile.num_warps)
        assert compiled.metadata.shared <= 48 * 1024, kernel.__name__


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("sums", [2, 3])
def test_bfloat16_kernels_compile(compile_for_gpu: Callable[..., Any], sums: int, capability: int) -> None:
    check(compile_for_gpu, 320, torch.bfloat16, sums, capability)


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 33, 640, 1280, 2048, 8192])
def test_every_tile_compiles(
    compile_for_gpu: Callable[..., Any], channels: int, dtype: torch.dtype, capability: int
) -> None:
    check(compile_for_gpu, channels, dtype, 3, capability)
