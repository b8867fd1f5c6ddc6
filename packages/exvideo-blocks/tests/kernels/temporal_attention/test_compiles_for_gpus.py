"""Every kernel compiles for the GPUs that are meant, which needs no GPU: what the interpreter lets pass fails here."""

import os
from pathlib import Path

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention.plan import Tiles, plan_for

triton = pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")
pytestmark = pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are being interpreted")

SHARED_MEMORY = {80: 163 * 1024, 90: 227 * 1024}  # bytes that one program may have, by compute capability
POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
NUMBERS = {"lse": "*fp32", "delta": "*fp32", "scale": "fp32", "scale_log2": "fp32", "units": "i32"}
NUMBERS |= {"positions": "i32", "num_heads": "i32"}


def compile_kernel(kernel, capability: int, tiles: Tiles, constants: dict[str, int], dtype: torch.dtype):
    """As a launch on contiguous tensors would; the compiled kernel."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    constants = constants | {"block_m": tiles.block_m, "block_n": tiles.block_n}
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    signature = dict.fromkeys(constants, "constexpr")
    for name in kernel.arg_names:
        tensor = name in ("query", "key", "value", "out") or name.startswith("grad_")
        stride = name.endswith(("_row", "_position"))
        if name not in constants:
            signature[name] = "i32" if stride else POINTERS[dtype] if tensor else NUMBERS[name]
    by_16 = [name for name, kind in signature.items() if kind.startswith("*") or name.endswith(("_row", "_position"))]
    source = ASTSource(
        fn=kernel,
        signature={name: signature[name] for name in kernel.arg_names},
        constexprs=constants,
        attrs={(kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in by_16},
    )
    options = {"num_warps": tiles.num_warps, "num_stages": tiles.num_stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def kernels_of(num_frames: int, head_dim: int, dtype: torch.dtype):
    from exvideo_blocks.kernels.temporal_attention import tiled, whole_row

    plan = plan_for(num_frames, head_dim, dtype)
    if plan.whole_row:
        return [(whole_row.whole_row_forward, plan.forward), (whole_row.whole_row_backward, plan.backward)]
    backwards = [tiled.tiled_backward_query, tiled.tiled_backward_key_value]
    return [(tiled.tiled_forward, plan.forward), *((kernel, plan.backward) for kernel in backwards)]


def check(num_frames: int, head_dim: int, dtype: torch.dtype, capability: int) -> None:
    plan = plan_for(num_frames, head_dim, dtype)
    constants = {"num_frames": num_frames, "head_dim": head_dim, "pack": plan.pack, "block_d": plan.block_d}
    for kernel, tiles in kernels_of(num_frames, head_dim, dtype):
        compiled = compile_kernel(kernel, capability, tiles, constants, dtype)
        assert compiled.metadata.shared <= SHARED_MEMORY[capability], kernel.__name__
        if dtype != torch.float32:
            assert "mma" in compiled.asm["ptx"], f"{kernel.__name__} multiplies without matrix instructions"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("num_frames", [25, 128, 300])
def test_bfloat16_kernels_compile(num_frames: int, capability: int) -> None:
    check(num_frames, 64, torch.bfloat16, capability)


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("num_frames", "head_dim"), [(2, 16), (25, 40), (64, 80), (128, 128), (256, 64), (512, 128)])
def test_every_plan_compiles(num_frames: int, head_dim: int, dtype: torch.dtype, capability: int) -> None:
    check(num_frames, head_dim, dtype, capability)
