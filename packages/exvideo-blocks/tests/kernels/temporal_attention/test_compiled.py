"""Guards of the plan that need no GPU: what a compiler makes of every kernel, for the GPUs and the tritons meant."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[5]
OTHERS = ("3.6.0", "3.9.0")  # the oldest and the newest of the published range; the one that is installed lies between
SHARED = {80: 163 * 1024, 90: 227 * 1024}  # bytes of a multiprocessor that programs may have, a KiB each taken away
REGISTERS, MAX_WARPS = 65_536, 64
FULL_AND_RAGGED = [25, 64, 100, 128, 200, 256, 300]


ALL = ["installed", *(pytest.param(other, marks=pytest.mark.long) for other in OTHERS)]


@pytest.fixture(scope="session", params=ALL)
def triton_path(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")
    if request.param == "installed":
        return ""
    path = ROOT / ".venv" / "tritons" / request.param
    if not path.is_dir():
        pytest.skip(f"triton {request.param} is not in .venv/tritons: `make test-long` puts it there")
    return str(path)


def compiled(cases: list[dict[str, Any]], triton_path: str, cache: Path) -> list[dict[str, Any]]:
    environ = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environ |= {"PYTHONPATH": triton_path, "TRITON_CACHE_DIR": str(cache)}
    command = [sys.executable, str(Path(__file__).with_name("compiled.py")), json.dumps(cases)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if triton_path:
        assert {kernel["triton"] for kernel in found} == {Path(triton_path).name}
    return found


def check(kernel: dict[str, Any]) -> None:
    """The guards on one compiled kernel."""
    case, tiles = kernel["case"], kernel["tiles"]
    name, warps, capability = f"{kernel['kernel']} of {case}", tiles["num_warps"], case["capability"]
    assert kernel["spilled"] == 0, f"{name}: {kernel['spilled']} bytes spilled"
    scores = tiles["block_m"] * tiles["block_n"] // (32 * warps)
    rows = tiles["block_m"] if kernel["kernel"] == "tiled_forward" else 0  # whose sums are carried on, too
    assert scores <= kernel["exponentials"] <= scores + rows, f"{name}: {kernel['exponentials']} exponentials a thread"
    if case["dtype"] != "float32":
        by, other = ("by_warpgroups", "by_warps") if capability == 90 else ("by_warps", "by_warpgroups")
        assert kernel[by] > 0, f"{name}: no products {by}"
        assert kernel[other] == 0, f"{name}: {kernel[other]} products {other}"
    fitting = min(
        REGISTERS // (32 * warps * (-(-kernel["registers"] // 8) * 8)),
        SHARED[capability] // (kernel["shared"] + 1024),
        MAX_WARPS // warps,
    )
    assert fitting >= tiles["programs"], f"{name}: {fitting} programs a multiprocessor, not {tiles['programs']}"


def bfloat16(capability: int, *lengths: int, head_dim: int = 64) -> list[dict[str, Any]]:
    case = {"head_dim": head_dim, "dtype": "bfloat16", "capability": capability}
    return [case | {"num_frames": num_frames} for num_frames in lengths]


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
def test_what_the_plan_says_is_what_is_compiled(triton_path: str, capability: int, tmp_path: Path) -> None:
    lengths = FULL_AND_RAGGED if capability == 90 else [25, 128, 300]
    for kernel in compiled(bfloat16(capability, *lengths), triton_path, tmp_path):
        check(kernel)


# The plan until 0.2: two warpgroups that did the same work forward, and queries too few for warpgroups backward.
OLD = [
    (256, "whole_row_forward", {"block_m": 64, "block_n": 256, "num_warps": 8}, "128 exponentials a thread"),
    (256, "turned_backward", {"block_m": 32, "block_n": 256, "num_warps": 8}, "bytes spilled"),
    (128, "whole_row_backward", {"block_m": 128, "block_n": 128, "num_warps": 8, "programs": 2}, "programs a"),
    (300, "tiled_forward", {"block_m": 32, "block_n": 64, "num_warps": 4}, "no products by_warpgroups"),
]


@pytest.mark.parametrize(
    ("num_frames", "kernel", "tiles", "complaint"),
    [OLD[0], *(pytest.param(*old, marks=pytest.mark.long) for old in OLD[1:])],
)
def test_the_guards_see_other_tiles(
    num_frames: int, kernel: str, tiles: dict[str, int], complaint: str, tmp_path: Path
) -> None:
    pytest.importorskip("triton", reason="the Triton kernels need the extra exvideo-blocks[triton]")
    case = bfloat16(90, num_frames)[0] | {"tiles": {kernel: tiles}}
    (found,) = compiled([case], "", tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        check(found)


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_plan_compiles(triton_path: str, dtype: str, capability: int, tmp_path: Path) -> None:
    shapes = [(2, 16), (25, 40), (64, 80), (100, 128), (128, 128), (200, 40), (256, 64), (512, 128)]
    cases = [
        {"num_frames": num_frames, "head_dim": head_dim, "dtype": dtype, "capability": capability}
        for num_frames, head_dim in shapes
    ]
    for kernel in compiled(cases, triton_path, tmp_path):
        if dtype == "float32":
            assert kernel["shared"] <= SHARED[capability]
        else:
            check(kernel)
