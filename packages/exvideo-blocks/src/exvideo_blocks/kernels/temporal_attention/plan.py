"""The kernel for a shape and its tiles: one small table, a function of the shape and of the kind of GPU alone.

It is what a compiler says, not what a clock says: registers, spills, matrix instructions and shared memory were read
for sm_80 and sm_90 (tests/kernels/temporal_attention/test_compiled.py holds them to it). There is no search at run
time: one a shape would cost a training run its first minutes, and could give other bits the next time.
"""

from dataclasses import dataclass

import torch

from exvideo_blocks.kernels.triton_support import power_of_two

PACKED_ROWS = 64  # short clips share a tile of as many rows
# float32 is multiplied exactly, by the ordinary units and not by the matrix ones: larger tiles do not fit in registers.
FLOAT32_ROWS = 32
REGISTERS = 65_536  # of a multiprocessor
SMALLEST_DOT = 16  # the fewest channels that a matrix instruction takes


@dataclass(frozen=True)
class Tiles:
    """block_m queries and block_n keys at a time, in a program of num_warps; loads num_stages deep.

    `programs` of them are to fit on a multiprocessor together: as many as that are started on each, and go on from one
    unit to the next.
    """

    block_m: int
    block_n: int
    num_warps: int
    num_stages: int = 1
    programs: int = 1

    def max_registers(self, ragged: bool) -> int:
        """The most that a thread may have for `programs` to fit; 0 where a compiler needs no telling.

        Full tiles need none: they have few to begin with, and compilers that are told so spill.
        """
        limited = ragged and self.programs > 1
        return REGISTERS // (32 * self.num_warps * self.programs) // 8 * 8 if limited else 0


@dataclass(frozen=True)
class Plan:
    """The kernels and the tiles of a shape.

    Args:
        whole_row: all keys of a unit in one program, and nothing saved for the backward; else online softmax.
        pack: units (a head at a position) a program at a time.
        block_d: head_dim, padded.
        forward: its tiles.
        backward: those of the whole row's backward, or of the pass for the gradient of queries.
        turned: the whole row's backward goes over tiles of queries, with scores held (keys, queries).
        backward_key_value: those of the pass for keys and values, where there is one.
    """

    whole_row: bool
    pack: int
    block_d: int
    forward: Tiles
    backward: Tiles
    turned: bool = False
    backward_key_value: Tiles | None = None


def padded(head_dim: int) -> int:
    """The number of channels that a tile has for them."""
    return max(SMALLEST_DOT, power_of_two(head_dim))


def longest_whole_row(head_dim: int, dtype: torch.dtype, warpgroups: bool) -> int:
    """The most frames of which one program holds all keys and values.

    Args:
        head_dim: 16 to 128.
        dtype: of the inputs.
        warpgroups: the GPU multiplies by warpgroups (sm_90, sm_100), with operands in shared memory; else (sm_80) they
            are in registers, which hold half as much.
    """
    if dtype.itemsize > 2:
        return FLOAT32_ROWS
    longest = 256 if warpgroups else 128
    return longest if head_dim <= 64 else longest // 2


def plan_for(num_frames: int, head_dim: int, dtype: torch.dtype, warpgroups: bool = True) -> Plan:
    """The plan for clips of num_frames; the arguments are those of `longest_whole_row`."""
    block_d, whole_row = padded(head_dim), num_frames <= longest_whole_row(head_dim, dtype, warpgroups)
    if dtype.itemsize > 2:
        tiles = Tiles(FLOAT32_ROWS, FLOAT32_ROWS, num_warps=8)
        if whole_row:
            return Plan(True, max(1, FLOAT32_ROWS // num_frames), block_d, tiles, tiles)
        return Plan(False, 1, block_d, tiles, tiles, backward_key_value=tiles)
    if not whole_row:
        forward, backward, backward_key_value = TILED[warpgroups, block_d > 64]
        return Plan(False, 1, block_d, forward, backward, backward_key_value=backward_key_value)
    block_n = max(PACKED_ROWS, power_of_two(num_frames))
    rows = WHOLE_ROWS[warpgroups, block_n, block_d > 64]
    return Plan(True, max(1, PACKED_ROWS // num_frames), block_d, *rows, turned=rows[1].block_m < block_n)


# Forward and backward by: warpgroups, rows of a tile of keys, more than 64 channels a head.
WHOLE_ROWS = {
    (True, 64, False): (Tiles(64, 64, 4, 2, programs=3), Tiles(64, 64, 4, 2, programs=3)),
    (True, 128, False): (Tiles(128, 128, 8, 2, programs=2), Tiles(128, 128, 8, 2)),
    (True, 256, False): (Tiles(128, 256, 8, 2), Tiles(16, 256, 8, 2)),
    (True, 64, True): (Tiles(64, 64, 4, 2, programs=2), Tiles(64, 64, 4, 1)),
    (True, 128, True): (Tiles(128, 128, 8, 2), Tiles(32, 128, 8, 1)),
    (False, 64, False): (Tiles(64, 64, 4, 2, programs=2), Tiles(64, 64, 4, 1, programs=2)),
    (False, 128, False): (Tiles(128, 128, 8, 2), Tiles(32, 128, 8, 1)),
    (False, 64, True): (Tiles(64, 64, 4, 1), Tiles(64, 64, 8, 1)),
}
# Forward, pass for queries and pass for keys and values by: warpgroups, more than 64 channels a head.
TILED = {
    (True, False): (Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2)),
    (True, True): (Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2), Tiles(32, 64, 4, 1)),
    (False, False): (Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2), Tiles(32, 64, 4, 2)),
    (False, True): (Tiles(64, 32, 4, 2), Tiles(64, 64, 4, 2), Tiles(64, 64, 8, 1)),
}


def probed_length(num_frames: int) -> int:
    """The longest clip in the tiles of such a clip: what runs at that length runs at this one."""
    for length in (32, 64, 128, 256):
        if num_frames <= length:
            return length
    return 512


def statistics_shape(
    shape: torch.Size, num_frames: int, num_heads: int, dtype: torch.dtype, warpgroups: bool
) -> tuple[int, ...]:
    """(units, num_frames, 2) where a backward reads what the softmax of each row was made of, else (0,).

    Numbers may be symbols here, of which one comparison is made: a compiled graph holds for all lengths on a side of
    it.
    """
    if num_frames <= longest_whole_row(shape[2] // num_heads, dtype, warpgroups):
        return (0,)
    return (shape[0] // num_frames * shape[1] * num_heads, num_frames, 2)
