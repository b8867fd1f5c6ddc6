"""The kernel for a shape and its tiles: one small table, a function of the shape alone.

It is reasoned, not tuned. Registers, spills and shared memory were read from the compiler for sm_80 and sm_90
(docs/kernels.md); times on a GPU were not. There is no search at run time: one a shape would cost a training run its
first minutes, and could give other bits the next time.
"""

from dataclasses import dataclass

import torch

from exvideo_blocks.kernels.triton_support import power_of_two

LONGEST_WHOLE_ROW = 256
# Numbers in K, and in V, of a whole row: both stay in shared memory beside the tiles of a backward.
MAX_ROW_ELEMENTS = 256 * 64
PACKED_ROWS = 64  # short clips share a tile of as many rows
# float32 is multiplied exactly, by the ordinary units and not by the matrix ones: larger tiles do not fit in registers.
FLOAT32_ROWS = 32
SMALLEST_DOT = 16  # the fewest channels that a matrix instruction takes


@dataclass(frozen=True)
class Tiles:
    """block_m queries and block_n keys at a time, in a program of num_warps; loads num_stages deep."""

    block_m: int
    block_n: int
    num_warps: int
    num_stages: int = 1


@dataclass(frozen=True)
class Plan:
    """The kernel and the tiles of a shape.

    Args:
        whole_row: all frames in one program, and nothing saved for the backward; else online softmax.
        pack: units (a head at a position) a program.
        block_d: head_dim, padded.
        forward, backward: their tiles.
    """

    whole_row: bool
    pack: int
    block_d: int
    forward: Tiles
    backward: Tiles


def plan_for(num_frames: int, head_dim: int, dtype: torch.dtype) -> Plan:
    """The plan for clips of num_frames at this head_dim and dtype."""
    num_frames, head_dim = int(num_frames), int(head_dim)  # of symbols too, while PyTorch traces with changing shapes
    block_d = max(SMALLEST_DOT, power_of_two(head_dim))
    if dtype.itemsize > 2:
        tiles = Tiles(FLOAT32_ROWS, FLOAT32_ROWS, num_warps=8)
        return Plan(num_frames <= FLOAT32_ROWS, max(1, FLOAT32_ROWS // num_frames), block_d, tiles, tiles)
    block_n = max(PACKED_ROWS, power_of_two(num_frames))
    if num_frames > LONGEST_WHOLE_ROW or block_n * block_d > MAX_ROW_ELEMENTS:
        tiles = Tiles(64, 64, num_warps=4 if block_d <= 64 else 8, num_stages=2)
        return Plan(False, 1, block_d, tiles, tiles)
    pack = max(1, PACKED_ROWS // num_frames)
    forward = Tiles(64, block_n, num_warps=4 if block_n <= 128 else 8)
    # Smaller tiles of queries beyond 64 frames: the gradients of keys and values stay in registers throughout.
    backward = forward if block_n == PACKED_ROWS else Tiles(32, block_n, num_warps=8)
    return Plan(True, pack, block_d, forward, backward)


def probed_length(num_frames: int) -> int:
    """The longest clip in the tiles of such a clip: what runs at that length runs at this one."""
    for length in (32, 64, 128, LONGEST_WHOLE_ROW):
        if num_frames <= length:
            return length
    return 2 * LONGEST_WHOLE_ROW


def statistics_shape(shape: torch.Size, num_frames: int, num_heads: int, dtype: torch.dtype) -> tuple[int, ...]:
    """(units, num_frames, 2) where a backward reads what the softmax of each row was made of, else (0,)."""
    if plan_for(num_frames, shape[2] // num_heads, dtype).whole_row:
        return (0,)
    return (shape[0] // num_frames * shape[1] * num_heads, num_frames, 2)
