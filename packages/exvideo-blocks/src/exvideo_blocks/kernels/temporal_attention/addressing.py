"""Loads and stores of attention's rows, which lie in token-major memory (batch * frames, positions, channels).

A unit is one head at one position of one clip: num_frames rows of head_dim numbers, one frame apart. Units are numbered
with heads fastest, then positions, then clips, so that programs that run together read neighbouring memory. A pack is
as many consecutive units as one program holds; its rows are those of its units, one unit after the other.

Numbers of units are 32-bit (`launch` refuses more), offsets into memory are 64-bit.
"""

import triton
import triton.language as tl


@triton.jit
def tile(
    rows,
    first_unit,
    units,
    positions,
    num_heads,
    row_stride,
    position_stride,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    pack: tl.constexpr,
    block_d: tl.constexpr,
):
    """Offsets (rows, block_d) of these rows of a pack, and which of them exist: in the pack, in a unit, in a head."""
    columns = tl.arange(0, block_d)
    mask = rows < pack * num_frames
    if pack == 1:
        unit = first_unit
        frame = rows
    else:
        unit = first_unit + rows // num_frames
        frame = rows % num_frames
        mask = mask & (unit < units)
    place = unit // num_heads
    clip_frame = (place // positions).to(tl.int64) * num_frames + frame
    position = (place % positions).to(tl.int64)
    starts = clip_frame * row_stride + position * position_stride + (unit % num_heads) * head_dim
    return starts[:, None] + columns[None, :], mask[:, None] & (columns < head_dim)[None, :]


@triton.jit
def load_rows(
    tensor,
    rows,
    first_unit,
    units,
    positions,
    num_heads,
    row_stride,
    position_stride,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    pack: tl.constexpr,
    block_d: tl.constexpr,
):
    """Rows of a pack, (rows, block_d), zero where there are none."""
    offsets, mask = tile(
        rows,
        first_unit,
        units,
        positions,
        num_heads,
        row_stride,
        position_stride,
        num_frames,
        head_dim,
        pack,
        block_d,
    )
    return tl.load(tensor + offsets, mask=mask, other=0.0)


@triton.jit
def store_rows(
    tensor,
    values,
    rows,
    first_unit,
    units,
    positions,
    num_heads,
    row_stride,
    position_stride,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    pack: tl.constexpr,
    block_d: tl.constexpr,
):
    """Writes rows of a pack, rounded to the tensor's dtype."""
    offsets, mask = tile(
        rows,
        first_unit,
        units,
        positions,
        num_heads,
        row_stride,
        position_stride,
        num_frames,
        head_dim,
        pack,
        block_d,
    )
    tl.store(tensor + offsets, values.to(tensor.dtype.element_ty), mask=mask)
