"""The share of each program in the rows: functions of the shape alone, so that a shape always gives the same bits.

Reasoned, not tuned: a tile leaves room in registers for six others like it in the backward, and there are programs for
several times the multiprocessors of today's GPUs.
"""

from dataclasses import dataclass

from exvideo_blocks.kernels.triton_support import power_of_two

MAX_CHANNELS = 8192  # a row is held in registers
TILE = 2048  # numbers, where a row is not longer
MAX_TILE_ROWS = 8  # a sum over rows loses more to rounding, the more of them it takes at once
PROGRAMS = 2048  # of the backward, about; each leaves a row of partial sums for every vector that gets a gradient
FEWEST_ROWS = 64  # of a program of the backward: its partial sums are then 5% of what it moves in half precision


@dataclass(frozen=True)
class Tile:
    """block_rows rows of block_c channels, padded to a power of two, in a program of num_warps."""

    block_rows: int
    block_c: int
    num_warps: int


def tile_of(channels: int) -> Tile:
    """The tile for rows of so many channels."""
    block_c = power_of_two(channels)
    return Tile(max(1, min(MAX_TILE_ROWS, TILE // block_c)), block_c, num_warps=max(4, block_c // 512))


def probed_width(channels: int) -> int:
    """The most channels in the tile of so many: what runs at that width runs at this one."""
    width = 1
    while width < channels:  # by comparing, so that it is a number, too, while PyTorch traces with changing shapes
        width *= 2
    return width


def chunks_of(groups: int, group_rows: int, tile: Tile) -> tuple[int, int]:
    """Into how many chunks each group of rows is cut, and of how many tiles each, the last perhaps of fewer.

    Tiles are a power of two, as each other number would be another kernel to compile.

    Args:
        groups: of rows whose gradients are summed.
        group_rows: rows in each.
    """
    wanted = -(-PROGRAMS // max(1, groups))
    chunk_rows = max(FEWEST_ROWS, -(-group_rows // wanted))
    tiles = power_of_two(-(-chunk_rows // tile.block_rows))
    return -(-group_rows // (tiles * tile.block_rows)), tiles
