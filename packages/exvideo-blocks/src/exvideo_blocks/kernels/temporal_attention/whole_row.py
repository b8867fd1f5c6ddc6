"""Triton kernels that hold all frames of a unit in one program: no online softmax, nothing saved for the backward.

Keys and values are loaded once. A short clip leaves room, so several units share a tile, and a score between two units
is masked; the matrix products that this wastes cost less than small tiles would. Rows beyond the last frame are loaded
as zeros and see at least themselves, so that no row's softmax is empty.

Names are FlashAttention's (arXiv 2205.14135): s scores, p probabilities, dp and ds their gradients. Scores are in base
2: scale_log2 is log2(e) / sqrt(head_dim).
"""

import triton
import triton.language as tl

from exvideo_blocks.kernels.temporal_attention.addressing import load_rows, store_rows


@triton.jit
def exponentials(q, k, rows, key_rows, scale_log2, num_frames: tl.constexpr, pack: tl.constexpr):
    """2^(s - its row's maximum), (rows, key_rows); 0 between different units and beyond the last frame."""
    s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale_log2
    if pack == 1:
        seen = (key_rows < num_frames)[None, :]
    else:
        seen = (rows // num_frames)[:, None] == (key_rows // num_frames)[None, :]
    s = tl.where(seen, s, float("-inf"))
    return tl.exp2(s - tl.max(s, 1)[:, None])


@triton.jit
def whole_row_forward(
    query,
    key,
    value,
    out,
    query_row,
    query_position,
    key_row,
    key_position,
    value_row,
    value_position,
    out_row,
    out_position,
    units,
    positions,
    num_heads,
    scale_log2,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    pack: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """out = softmax(q k^T / sqrt(head_dim)) v for `pack` units a program."""
    at = tl.program_id(0) * pack
    key_rows = tl.arange(0, block_n)
    k = load_rows(
        key, key_rows, at, units, positions, num_heads, key_row, key_position, num_frames, head_dim, pack, block_d
    )
    v = load_rows(
        value, key_rows, at, units, positions, num_heads, value_row, value_position, num_frames, head_dim, pack, block_d
    )
    for start in range(0, pack * num_frames, block_m):
        rows = start + tl.arange(0, block_m)
        q = load_rows(
            query, rows, at, units, positions, num_heads, query_row, query_position, num_frames, head_dim, pack, block_d
        )
        p = exponentials(q, k, rows, key_rows, scale_log2, num_frames, pack)
        o = tl.dot(p.to(v.dtype), v, input_precision="ieee") / tl.sum(p, 1)[:, None]
        store_rows(
            out, o, rows, at, units, positions, num_heads, out_row, out_position, num_frames, head_dim, pack, block_d
        )


@triton.jit
def whole_row_backward(
    query,
    key,
    value,
    grad_out,
    grad_query,
    grad_key,
    grad_value,
    query_row,
    query_position,
    key_row,
    key_position,
    value_row,
    value_position,
    grad_row,
    grad_position,
    written_row,
    written_position,
    units,
    positions,
    num_heads,
    scale,
    scale_log2,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    pack: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """The three gradients from q, k, v and the output's gradient alone; all three are of the same strides.

    Row sums of p * dp stand in for those of o * do, so o is not read; p is computed again, so nothing was saved.
    """
    at = tl.program_id(0) * pack
    key_rows = tl.arange(0, block_n)
    k = load_rows(
        key, key_rows, at, units, positions, num_heads, key_row, key_position, num_frames, head_dim, pack, block_d
    )
    v = load_rows(
        value, key_rows, at, units, positions, num_heads, value_row, value_position, num_frames, head_dim, pack, block_d
    )
    dk = tl.zeros([block_n, block_d], tl.float32)
    dv = tl.zeros([block_n, block_d], tl.float32)
    for start in range(0, pack * num_frames, block_m):
        rows = start + tl.arange(0, block_m)
        q = load_rows(
            query, rows, at, units, positions, num_heads, query_row, query_position, num_frames, head_dim, pack, block_d
        )
        do = load_rows(
            grad_out,
            rows,
            at,
            units,
            positions,
            num_heads,
            grad_row,
            grad_position,
            num_frames,
            head_dim,
            pack,
            block_d,
        )
        p = exponentials(q, k, rows, key_rows, scale_log2, num_frames, pack)
        p = p / tl.sum(p, 1)[:, None]
        dv = tl.dot(tl.trans(p.to(do.dtype)), do, dv, input_precision="ieee")
        dp = tl.dot(do, tl.trans(v), input_precision="ieee")
        ds = (p * (dp - tl.sum(p * dp, 1)[:, None])).to(q.dtype)
        dk = tl.dot(tl.trans(ds), q, dk, input_precision="ieee")
        dq = tl.dot(ds, k, input_precision="ieee") * scale
        store_rows(
            grad_query,
            dq,
            rows,
            at,
            units,
            positions,
            num_heads,
            written_row,
            written_position,
            num_frames,
            head_dim,
            pack,
            block_d,
        )
    store_rows(
        grad_key,
        dk * scale,
        key_rows,
        at,
        units,
        positions,
        num_heads,
        written_row,
        written_position,
        num_frames,
        head_dim,
        pack,
        block_d,
    )
    store_rows(
        grad_value,
        dv,
        key_rows,
        at,
        units,
        positions,
        num_heads,
        written_row,
        written_position,
        num_frames,
        head_dim,
        pack,
        block_d,
    )
