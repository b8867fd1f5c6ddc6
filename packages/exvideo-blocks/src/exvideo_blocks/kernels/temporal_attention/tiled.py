"""Triton kernels for clips too long for one program: online softmax forward, and a backward in two passes.

The forward is that of FlashAttention-2 (arXiv 2307.08691, algorithm 1): a program holds one tile of queries and goes
over tiles of keys, carrying row maxima and sums. It saves both of each row, the sum as its reciprocal: the log-sum-exp
that FlashAttention saves is rounded, an error of all probabilities of the row at once. The backward (algorithm
2) has no atomics: one pass over keys for dq, which also leaves delta = rowsum(o * do) for the other pass, over queries,
for dk and dv. So the same inputs give the same bits.

Tiles of one unit are neighbours on the grid: its keys and values are read from memory once, then from cache.
"""

import triton
import triton.language as tl

from exvideo_blocks.kernels.temporal_attention.addressing import load_rows, store_rows


@triton.jit
def tiled_forward(
    query,
    key,
    value,
    out,
    statistics,
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
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """out = softmax(q k^T / sqrt(head_dim)) v for one tile of queries.

    statistics is (units, num_frames, 2): the largest score, in base 2, and 1 / sum of 2^(score - largest).
    """
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_m)
    rows = (tl.program_id(0) % tl.cdiv(num_frames, block_m)) * block_m + tl.arange(0, block_m)
    q = load_rows(
        query, rows, unit, units, positions, num_heads, query_row, query_position, num_frames, head_dim, 1, block_d
    )
    row_max = tl.full([block_m], float("-inf"), tl.float32)
    row_sum = tl.zeros([block_m], tl.float32)
    o = tl.zeros([block_m, block_d], tl.float32)
    for start in range(0, num_frames, block_n):
        key_rows = start + tl.arange(0, block_n)
        k = load_rows(
            key, key_rows, unit, units, positions, num_heads, key_row, key_position, num_frames, head_dim, 1, block_d
        )
        v = load_rows(
            value,
            key_rows,
            unit,
            units,
            positions,
            num_heads,
            value_row,
            value_position,
            num_frames,
            head_dim,
            1,
            block_d,
        )
        s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale_log2
        s = tl.where((key_rows < num_frames)[None, :], s, float("-inf"))
        larger = tl.maximum(row_max, tl.max(s, 1))  # finite: every tile holds at least one frame
        p = tl.exp2(s - larger[:, None])
        carried = tl.exp2(row_max - larger)
        row_sum = row_sum * carried + tl.sum(p, 1)
        o = tl.dot(p.to(v.dtype), v, o * carried[:, None], input_precision="ieee")
        row_max = larger
    store_rows(
        out,
        o / row_sum[:, None],
        rows,
        unit,
        units,
        positions,
        num_heads,
        out_row,
        out_position,
        num_frames,
        head_dim,
        1,
        block_d,
    )
    at = statistics + 2 * (unit.to(tl.int64) * num_frames + rows)
    tl.store(at, row_max, mask=rows < num_frames)
    tl.store(at + 1, 1.0 / row_sum, mask=rows < num_frames)


@triton.jit
def tiled_backward_query(
    query,
    key,
    value,
    out,
    statistics,
    grad_out,
    delta,
    grad_query,
    query_row,
    query_position,
    key_row,
    key_position,
    value_row,
    value_position,
    grad_row,
    grad_position,
    out_row,
    out_position,
    written_row,
    written_position,
    units,
    positions,
    num_heads,
    scale,
    scale_log2,
    num_frames: tl.constexpr,
    head_dim: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """dq of one tile of queries, and delta, float32 (units, num_frames), for `tiled_backward_key_value`."""
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_m)
    rows = (tl.program_id(0) % tl.cdiv(num_frames, block_m)) * block_m + tl.arange(0, block_m)
    q = load_rows(
        query, rows, unit, units, positions, num_heads, query_row, query_position, num_frames, head_dim, 1, block_d
    )
    do = load_rows(
        grad_out, rows, unit, units, positions, num_heads, grad_row, grad_position, num_frames, head_dim, 1, block_d
    )
    o = load_rows(out, rows, unit, units, positions, num_heads, out_row, out_position, num_frames, head_dim, 1, block_d)
    row_delta = tl.sum(o.to(tl.float32) * do.to(tl.float32), 1)
    at = unit.to(tl.int64) * num_frames + rows
    tl.store(delta + at, row_delta, mask=rows < num_frames)
    row_max = tl.load(statistics + 2 * at, mask=rows < num_frames, other=0.0)
    row_part = tl.load(statistics + 2 * at + 1, mask=rows < num_frames, other=0.0)
    dq = tl.zeros([block_m, block_d], tl.float32)
    for start in range(0, num_frames, block_n):
        key_rows = start + tl.arange(0, block_n)
        k = load_rows(
            key, key_rows, unit, units, positions, num_heads, key_row, key_position, num_frames, head_dim, 1, block_d
        )
        v = load_rows(
            value,
            key_rows,
            unit,
            units,
            positions,
            num_heads,
            value_row,
            value_position,
            num_frames,
            head_dim,
            1,
            block_d,
        )
        s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale_log2
        s = tl.where((key_rows < num_frames)[None, :], s, float("-inf"))
        p = tl.exp2(s - row_max[:, None]) * row_part[:, None]
        dp = tl.dot(do, tl.trans(v), input_precision="ieee")
        ds = p * (dp - row_delta[:, None])
        dq = tl.dot(ds.to(k.dtype), k, dq, input_precision="ieee")
    store_rows(
        grad_query,
        dq * scale,
        rows,
        unit,
        units,
        positions,
        num_heads,
        written_row,
        written_position,
        num_frames,
        head_dim,
        1,
        block_d,
    )


@triton.jit
def tiled_backward_key_value(
    query,
    key,
    value,
    statistics,
    grad_out,
    delta,
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
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """dk and dv of one tile of keys; scores are held transposed, (keys, queries), as both products want them."""
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_n)
    key_rows = (tl.program_id(0) % tl.cdiv(num_frames, block_n)) * block_n + tl.arange(0, block_n)
    k = load_rows(
        key, key_rows, unit, units, positions, num_heads, key_row, key_position, num_frames, head_dim, 1, block_d
    )
    v = load_rows(
        value, key_rows, unit, units, positions, num_heads, value_row, value_position, num_frames, head_dim, 1, block_d
    )
    dk = tl.zeros([block_n, block_d], tl.float32)
    dv = tl.zeros([block_n, block_d], tl.float32)
    for start in range(0, num_frames, block_m):
        rows = start + tl.arange(0, block_m)
        q = load_rows(
            query, rows, unit, units, positions, num_heads, query_row, query_position, num_frames, head_dim, 1, block_d
        )
        do = load_rows(
            grad_out, rows, unit, units, positions, num_heads, grad_row, grad_position, num_frames, head_dim, 1, block_d
        )
        at = unit.to(tl.int64) * num_frames + rows
        row_max = tl.load(statistics + 2 * at, mask=rows < num_frames, other=0.0)
        row_part = tl.load(statistics + 2 * at + 1, mask=rows < num_frames, other=0.0)  # beyond the last frame nothing
        row_delta = tl.load(delta + at, mask=rows < num_frames, other=0.0)
        s = tl.dot(k, tl.trans(q), input_precision="ieee") * scale_log2
        p = tl.exp2(s - row_max[None, :]) * row_part[None, :]
        dv = tl.dot(p.to(do.dtype), do, dv, input_precision="ieee")
        dp = tl.dot(v, tl.trans(do), input_precision="ieee")
        ds = p * (dp - row_delta[None, :])
        dk = tl.dot(ds.to(q.dtype), q, dk, input_precision="ieee")
    store_rows(
        grad_key,
        dk * scale,
        key_rows,
        unit,
        units,
        positions,
        num_heads,
        written_row,
        written_position,
        num_frames,
        head_dim,
        1,
        block_d,
    )
    store_rows(
        grad_value,
        dv,
        key_rows,
        unit,
        units,
        positions,
        num_heads,
        written_row,
        written_position,
        num_frames,
        head_dim,
        1,
        block_d,
    )
