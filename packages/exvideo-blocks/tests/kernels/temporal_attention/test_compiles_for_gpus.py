"""Every kernel compiles for the GPUs that are meant, which needs no GPU: what the interpreter lets pass fails here."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention.plan import plan_for

SHARED_MEMORY = {80: 163 * 1024, 90: 227 * 1024}  # bytes that one program may have, by compute capability
POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
TENSORS = ("query", "key", "value", "out", "grad_out", "grad_query", "grad_key", "grad_value")
NUMBERS = {"statistics": "*fp32", "delta": "*fp32", "scale": "fp32", "scale_log2": "fp32", "units": "i32"}
NUMBERS |= {"positions": "i32", "num_heads": "i32"}


def kernels_of(num_frames: int, head_dim: int, dtype: torch.dtype):
    from exvideo_blocks.kernels.temporal_attention import tiled, whole_row

    plan = plan_for(num_frames, head_dim, dtype)
    if plan.whole_row:
        return [(whole_row.whole_row_forward, plan.forward), (whole_row.whole_row_backward, plan.backward)]
    backwards = [tiled.tiled_backward_query, tiled.tiled_backward_key_value]
    return [(tiled.tiled_forward, plan.forward), *((kernel, plan.backward) for kernel in backwards)]


def check(
    compile_for_gpu: Callable[..., Any], num_frames: int, head_dim: int, dtype: torch.dtype, capability: int
) -> None:
    plan = plan_for(num_frames, head_dim, dtype)
    types = NUMBERS | dict.fromkeys(TENSORS, POINTERS[dtype])
    constants = {"num_frames": num_frames, "head_dim": head_dim, "pack": plan.pack, "block_d": plan.block_d}
    for kernel, tiles in kernels_of(num_frames, head_dim, dtype):
        blocks = {"block_m": tiles.block_m, "block_n": tiles.block_n}
        options = {"num_warps": tiles.num_warps, "num_stages": tiles.num_stages}
        compiled = compile_for_gpu(kernel, capability, constants | blocks, types, **options)
        assert compiled.metadata.shared <= SHARED_MEMORY[capability], kernel.__name__
        if dtype != torch.float32:
            assert "mma" in compiled.asm["ptx"], f"{kernel.__name__} multiplies without matrix instructions"


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("num_frames", [25, 128, 300])
def test_bfloat16_kernels_compile(compile_for_gpu: Callable[..., Any], num_frames: int, capability: int) -> None:
    check(compile_for_gpu, num_frames, 64, torch.bfloat16, capability)


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("num_frames", "head_dim"), [(2, 16), (25, 40), (64, 80), (128, 128), (256, 64), (512, 128)])
def test_every_plan_compiles(
    compile_for_gpu: Callable[..., Any], num_frames: int, head_dim: int, dtype: torch.dtype, capability: int
) -> None:
    check(compile_for_gpu, num_frames, head_dim, dtype, capability)
