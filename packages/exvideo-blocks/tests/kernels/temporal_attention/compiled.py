"""Compiles kernels for GPUs that need not be there, and prints what came of it: run by test_compiled.py.

    python compiled.py '[{"num_frames": 128, "head_dim": 64, "dtype": "bfloat16", "capability": 90}, ...]'

It is a program so that any triton can do it: the one that PYTHONPATH finds first. A case may have `tiles`, by the name
of a kernel, to be compiled in place of the plan's. One line of JSON is printed for each kernel of each case.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from exvideo_blocks.kernels.temporal_attention import triton as kernels
from exvideo_blocks.kernels.temporal_attention.plan import Tiles, plan_for
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

NUMBERS = {"scale": "fp32", "scale_log2": "fp32", "statistics": "*fp32", "delta": "*fp32"}
NUMBERS |= dict.fromkeys(("units", "positions", "num_heads", "num_frames", "pack"), "i32")
POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
ALIGNED = [["tt.divisibility", 16]]  # as tensors and strides of usual shapes are
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


def kernels_of(plan: Any) -> list[tuple[Any, Tiles]]:
    if not plan.whole_row:
        passes = (plan.backward, plan.backward_key_value)
        names = (kernels.tiled_backward_query, kernels.tiled_backward_key_value)
        return [(kernels.tiled_forward, plan.forward), *zip(names, passes, strict=True)]
    backward = kernels.turned_backward if plan.turned else kernels.whole_row_backward
    return [(kernels.whole_row_forward, plan.forward), (backward, plan.backward)]


def compiled(kernel: Any, tiles: Tiles, capability: int, dtype: torch.dtype, constants: dict[str, Any]) -> Any:
    constants = constants | {"block_m": tiles.block_m, "block_n": tiles.block_n}
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    signature: dict[str, Any] = {}
    attributes: dict[tuple[int, ...], Any] = {}
    for place, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
        elif name.endswith("_strides"):
            signature[name] = ("i32", "i32")
            attributes |= {(place, 0): ALIGNED, (place, 1): ALIGNED}
        else:
            signature[name] = NUMBERS.get(name, POINTERS[dtype])
            if signature[name].startswith("*"):
                attributes[place,] = ALIGNED
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
    options = {"num_warps": tiles.num_warps, "num_stages": tiles.num_stages}
    if tiles.max_registers(constants.get("ragged", False)):
        options["maxnreg"] = tiles.max_registers(True)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def described(kernel: Any, tiles: Tiles, program: Any) -> dict[str, Any]:
    ptx = program.asm["ptx"]
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(program.asm["cubin"])
        usage = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = {name: int(re.search(rf"{name}:(\d+)", usage)[1]) for name in ("REG", "STACK")}  # type: ignore[index]
    return {
        "triton": triton.__version__,
        "kernel": kernel.__name__,
        "tiles": vars(tiles),
        "registers": found["REG"],
        "spilled": found["STACK"],  # bytes
        "shared": program.metadata.shared,
        "exponentials": ptx.count("ex2.approx"),
        "by_warpgroups": ptx.count("wgmma.mma_async"),
        "by_warps": ptx.count("mma.sync"),
    }


def main(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        dtype, warpgroups = getattr(torch, case["dtype"]), case["capability"] >= 90
        plan = plan_for(case["num_frames"], case["head_dim"], dtype, warpgroups)
        full = plan.pack == 1 and case["num_frames"] == plan.forward.block_n and case["head_dim"] == plan.block_d
        constants = {"head_dim": case["head_dim"], "block_d": plan.block_d, "packed": plan.pack > 1, "ragged": not full}
        given = {name: Tiles(**tiles) for name, tiles in case.get("tiles", {}).items()}
        chosen = [(getattr(kernels, name), tiles) for name, tiles in given.items()] or kernels_of(plan)
        for kernel, tiles in chosen:
            program = compiled(kernel, tiles, case["capability"], dtype, constants)
            print(json.dumps({"case": case} | described(kernel, tiles, program)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
