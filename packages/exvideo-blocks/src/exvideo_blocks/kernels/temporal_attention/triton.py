"""The Triton kernels of temporal attention, and how they are started. Imports triton.

Memory is token-major, (batch * frames, positions, channels), and read in place. A unit is one head at one position of
one clip: num_frames rows of head_dim numbers, one frame apart. Units are numbered with heads fastest, then positions,
then clips, so that programs that run together read neighbouring memory. A pack is as many consecutive units as one
program holds at a time; its rows are those of its units, one unit after the other.

Names are FlashAttention's (arXiv 2205.14135): s scores, p probabilities, dp and ds their gradients. Scores are in base
2: scale_log2 is log2(e) / sqrt(head_dim). `ragged` tiles have rows or channels that do not exist, which are read as
zeros. Strides are pairs, of a frame and of a position; channels are adjacent.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention.plan import Tiles, plan_for, statistics_shape
from exvideo_blocks.kernels.triton_support import (
    MAX_PROGRAMS,
    has_warpgroups,
    multiprocessors,
    on,
    with_adjacent_channels,
)

LOG2_E = math.log2(math.e)
NOT_SPECIALIZED = ["units", "positions", "num_frames", "pack"]  # else Triton compiles anew for each that 16 divides


@triton.jit
def locate(at, rows, units, positions, num_heads, num_frames, pack, head_dim: tl.constexpr, packed: tl.constexpr):
    """The places of these rows of a pack: clip and frame, position, first channel; and which of them exist."""
    if packed:
        unit = at + rows // num_frames
        frame = rows % num_frames
        exists = (rows < pack * num_frames) & (unit < units)
    else:
        unit = at
        frame = rows
        exists = rows < frames_of(at, units, num_frames)
    place = unit // num_heads
    clip_frame = (place // positions).to(tl.int64) * num_frames + frame  # offsets into memory are of 64 bits
    return clip_frame, (place % positions).to(tl.int64), (unit % num_heads) * head_dim, exists


@triton.jit
def frames_of(at, units, num_frames):
    """num_frames, in a way that hides from the compiler that it is the same in every iteration of a loop over units.

    It would compute masks once and keep them, a register a column, where 128 columns leave none.
    """
    return tl.minimum(num_frames, units - at + num_frames)


@triton.jit
def load(tensor, where, strides, head_dim: tl.constexpr, block_d: tl.constexpr, ragged: tl.constexpr):
    """(rows, block_d), zero where there is nothing."""
    columns = tl.arange(0, block_d)
    starts = where[0] * strides[0] + where[1] * strides[1] + where[2]
    offsets = starts[:, None] + columns[None, :]
    if ragged:
        return tl.load(tensor + offsets, mask=where[3][:, None] & (columns < head_dim)[None, :], other=0.0)
    return tl.load(tensor + offsets)


@triton.jit
def store(tensor, values, where, strides, head_dim: tl.constexpr, block_d: tl.constexpr, ragged: tl.constexpr):
    """Writes (rows, block_d), rounded to the tensor's dtype, where there is something."""
    columns = tl.arange(0, block_d)
    starts = where[0] * strides[0] + where[1] * strides[1] + where[2]
    offsets = starts[:, None] + columns[None, :]
    values = values.to(tensor.dtype.element_ty)
    if ragged:
        tl.store(tensor + offsets, values, mask=where[3][:, None] & (columns < head_dim)[None, :])
    else:
        tl.store(tensor + offsets, values)


@triton.jit
def exponentials(q, k, rows, key_rows, scale_log2, num_frames, packed: tl.constexpr, ragged: tl.constexpr):
    """2^(s - its row's maximum), (rows, key_rows); 0 between different units and beyond the last frame."""
    s = tl.dot(q, tl.trans(k), input_precision="ieee")
    if packed:  # a row beyond the last unit sees itself
        s = tl.where((rows // num_frames)[:, None] == (key_rows // num_frames)[None, :], s, float("-inf"))
    elif ragged:
        s = tl.where((key_rows < num_frames)[None, :], s, float("-inf"))
    return tl.exp2(s * scale_log2 - (tl.max(s, 1) * scale_log2)[:, None])


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def whole_row_forward(
    query,
    key,
    value,
    out,
    query_strides,
    key_strides,
    value_strides,
    out_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale_log2,
    head_dim: tl.constexpr,
    packed: tl.constexpr,
    ragged: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """out = softmax(q k^T / sqrt(head_dim)) v, pack after pack and tile of queries after tile, all keys at once."""
    key_rows = tl.arange(0, block_n)
    tiles: tl.constexpr = block_n // block_m
    for index in tl.range(tl.program_id(0), tl.cdiv(units, pack) * tiles, tl.num_programs(0)):
        at = index // tiles * pack
        rows = index % tiles * block_m + tl.arange(0, block_m)
        here = locate(at, rows, units, positions, num_heads, num_frames, pack, head_dim, packed)
        q = load(query, here, query_strides, head_dim, block_d, ragged)
        there = locate(at, key_rows, units, positions, num_heads, num_frames, pack, head_dim, packed)
        k = load(key, there, key_strides, head_dim, block_d, ragged)
        v = load(value, there, value_strides, head_dim, block_d, ragged)
        # More than half of a tile, if a unit has it for itself: no column of that half needs a mask.
        frames = num_frames if packed else tl.maximum(frames_of(at, units, num_frames), block_n // 2 + 1)
        p = exponentials(q, k, rows, key_rows, scale_log2, frames, packed, ragged)
        o = tl.dot(p.to(v.dtype), v, input_precision="ieee") * (1.0 / tl.sum(p, 1))[:, None]
        store(out, o, here, out_strides, head_dim, block_d, ragged)


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def whole_row_backward(
    query,
    key,
    value,
    grad_out,
    grad_query,
    grad_key,
    grad_value,
    query_strides,
    key_strides,
    value_strides,
    grad_strides,
    written_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale,
    scale_log2,
    head_dim: tl.constexpr,
    packed: tl.constexpr,
    ragged: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """The three gradients from q, k, v and the output's gradient alone, pack after pack, where one tile holds a pack.

    Row sums of p * dp stand in for those of o * do, so o is not read; p is computed again, so nothing was saved.
    """
    rows = tl.arange(0, block_n)
    for at in tl.range(tl.program_id(0) * pack, units, tl.num_programs(0) * pack):
        here = locate(at, rows, units, positions, num_heads, num_frames, pack, head_dim, packed)
        k = load(key, here, key_strides, head_dim, block_d, ragged)
        q = load(query, here, query_strides, head_dim, block_d, ragged)
        v = load(value, here, value_strides, head_dim, block_d, ragged)
        do = load(grad_out, here, grad_strides, head_dim, block_d, ragged)
        frames = num_frames if packed else tl.maximum(frames_of(at, units, num_frames), block_n // 2 + 1)
        p = exponentials(q, k, rows, rows, scale_log2, frames, packed, ragged)
        p = p * (1.0 / tl.sum(p, 1))[:, None]
        dv = tl.dot(tl.trans(p.to(do.dtype)), do, input_precision="ieee")
        store(grad_value, dv, here, written_strides, head_dim, block_d, ragged)
        dp = tl.dot(do, tl.trans(v), input_precision="ieee")
        ds = (p * (dp - tl.sum(p * dp, 1)[:, None])).to(q.dtype)
        dk = tl.dot(tl.trans(ds), q, input_precision="ieee") * scale
        store(grad_key, dk, here, written_strides, head_dim, block_d, ragged)
        dq = tl.dot(ds, k, input_precision="ieee") * scale
        store(grad_query, dq, here, written_strides, head_dim, block_d, ragged)


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def turned_backward(
    query,
    key,
    value,
    grad_out,
    grad_query,
    grad_key,
    grad_value,
    query_strides,
    key_strides,
    value_strides,
    grad_strides,
    written_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale,
    scale_log2,
    head_dim: tl.constexpr,
    packed: tl.constexpr,
    ragged: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """As `whole_row_backward`, a tile of queries at a time; scores are held turned, (keys, queries).

    So the many rows of a product are those of the keys, as warpgroups want, and few queries at once leave registers for
    the gradients of all keys and values.
    """
    key_rows = tl.arange(0, block_n)
    for at in tl.range(tl.program_id(0) * pack, units, tl.num_programs(0) * pack, num_stages=1):
        there = locate(at, key_rows, units, positions, num_heads, num_frames, pack, head_dim, packed)
        k = load(key, there, key_strides, head_dim, block_d, ragged)
        v = load(value, there, value_strides, head_dim, block_d, ragged)
        dk = tl.zeros([block_n, block_d], tl.float32)
        dv = tl.zeros([block_n, block_d], tl.float32)
        for start in tl.range(0, pack * num_frames, block_m):
            rows = start + tl.arange(0, block_m)
            here = locate(at, rows, units, positions, num_heads, num_frames, pack, head_dim, packed)
            q = load(query, here, query_strides, head_dim, block_d, True)
            do = load(grad_out, here, grad_strides, head_dim, block_d, True)
            s = tl.dot(k, tl.trans(q), input_precision="ieee")
            if packed:
                s = tl.where((key_rows // num_frames)[:, None] == (rows // num_frames)[None, :], s, float("-inf"))
            elif ragged:
                s = tl.where((key_rows < frames_of(at, units, num_frames))[:, None], s, float("-inf"))
            p = tl.exp2(s * scale_log2 - (tl.max(s, 0) * scale_log2)[None, :])
            p = p * (1.0 / tl.sum(p, 0))[None, :]
            dv = tl.dot(p.to(do.dtype), do, dv, input_precision="ieee")
            dp = tl.dot(v, tl.trans(do), input_precision="ieee")
            ds = (p * (dp - tl.sum(p * dp, 0)[None, :])).to(q.dtype)
            dk = tl.dot(ds, q, dk, input_precision="ieee")
            dq = tl.trans(tl.dot(tl.trans(k), ds, input_precision="ieee")) * scale
            store(grad_query, dq, here, written_strides, head_dim, block_d, True)
        store(grad_key, dk * scale, there, written_strides, head_dim, block_d, ragged)
        store(grad_value, dv, there, written_strides, head_dim, block_d, ragged)


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def tiled_forward(
    query,
    key,
    value,
    out,
    statistics,
    query_strides,
    key_strides,
    value_strides,
    out_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale_log2,
    head_dim: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """out of one tile of queries, by online softmax over tiles of keys (FlashAttention-2, arXiv 2307.08691).

    Tiles of one unit are neighbours on the grid: its keys and values are read from memory once, then from cache.
    statistics is (units, num_frames, 2): the largest score, in base 2, and 1 / sum of 2^(score - largest). The
    log-sum-exp that FlashAttention saves is rounded, an error of all probabilities of the row at once.
    """
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_m)
    rows = (tl.program_id(0) % tl.cdiv(num_frames, block_m)) * block_m + tl.arange(0, block_m)
    here = locate(unit, rows, units, positions, num_heads, num_frames, pack, head_dim, False)
    q = load(query, here, query_strides, head_dim, block_d, True)
    row_max = tl.full([block_m], float("-inf"), tl.float32)
    row_sum = tl.zeros([block_m], tl.float32)
    o = tl.zeros([block_m, block_d], tl.float32)
    for start in tl.range(0, num_frames, block_n):
        key_rows = start + tl.arange(0, block_n)
        there = locate(unit, key_rows, units, positions, num_heads, num_frames, pack, head_dim, False)
        k = load(key, there, key_strides, head_dim, block_d, True)
        v = load(value, there, value_strides, head_dim, block_d, True)
        s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale_log2
        s = tl.where((key_rows < num_frames)[None, :], s, float("-inf"))
        larger = tl.maximum(row_max, tl.max(s, 1))  # finite: every tile holds at least one frame
        p = tl.exp2(s - larger[:, None])
        carried = tl.exp2(row_max - larger)
        row_sum = row_sum * carried + tl.sum(p, 1)
        o = tl.dot(p.to(v.dtype), v, o * carried[:, None], input_precision="ieee")
        row_max = larger
    store(out, o * (1.0 / row_sum)[:, None], here, out_strides, head_dim, block_d, True)
    at = statistics + 2 * (unit.to(tl.int64) * num_frames + rows)
    tl.store(at, row_max, mask=rows < num_frames)
    tl.store(at + 1, 1.0 / row_sum, mask=rows < num_frames)


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def tiled_backward_query(
    query,
    key,
    value,
    out,
    statistics,
    grad_out,
    delta,
    grad_query,
    query_strides,
    key_strides,
    value_strides,
    grad_strides,
    out_strides,
    written_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale,
    scale_log2,
    head_dim: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """dq of one tile of queries, and delta = rowsum(o * do), float32 (units, num_frames), for the other pass."""
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_m)
    rows = (tl.program_id(0) % tl.cdiv(num_frames, block_m)) * block_m + tl.arange(0, block_m)
    here = locate(unit, rows, units, positions, num_heads, num_frames, pack, head_dim, False)
    q = load(query, here, query_strides, head_dim, block_d, True)
    do = load(grad_out, here, grad_strides, head_dim, block_d, True)
    o = load(out, here, out_strides, head_dim, block_d, True)
    row_delta = tl.sum(o.to(tl.float32) * do.to(tl.float32), 1)
    at = unit.to(tl.int64) * num_frames + rows
    tl.store(delta + at, row_delta, mask=rows < num_frames)
    row_max = tl.load(statistics + 2 * at, mask=rows < num_frames, other=0.0)
    row_part = tl.load(statistics + 2 * at + 1, mask=rows < num_frames, other=0.0)
    dq = tl.zeros([block_m, block_d], tl.float32)
    for start in tl.range(0, num_frames, block_n):
        key_rows = start + tl.arange(0, block_n)
        there = locate(unit, key_rows, units, positions, num_heads, num_frames, pack, head_dim, False)
        k = load(key, there, key_strides, head_dim, block_d, True)
        v = load(value, there, value_strides, head_dim, block_d, True)
        s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale_log2
        s = tl.where((key_rows < num_frames)[None, :], s, float("-inf"))
        p = tl.exp2(s - row_max[:, None]) * row_part[:, None]
        dp = tl.dot(do, tl.trans(v), input_precision="ieee")
        ds = p * (dp - row_delta[:, None])
        dq = tl.dot(ds.to(k.dtype), k, dq, input_precision="ieee")
    store(grad_query, dq * scale, here, written_strides, head_dim, block_d, True)


@triton.jit(do_not_specialize=NOT_SPECIALIZED)
def tiled_backward_key_value(
    query,
    key,
    value,
    statistics,
    grad_out,
    delta,
    grad_key,
    grad_value,
    query_strides,
    key_strides,
    value_strides,
    grad_strides,
    written_strides,
    units,
    positions,
    num_heads,
    num_frames,
    pack,
    scale,
    scale_log2,
    head_dim: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_d: tl.constexpr,
):
    """dk and dv of one tile of keys; scores are held transposed, (keys, queries), as both products want them."""
    unit = tl.program_id(0) // tl.cdiv(num_frames, block_n)
    key_rows = (tl.program_id(0) % tl.cdiv(num_frames, block_n)) * block_n + tl.arange(0, block_n)
    there = locate(unit, key_rows, units, positions, num_heads, num_frames, pack, head_dim, False)
    k = load(key, there, key_strides, head_dim, block_d, True)
    v = load(value, there, value_strides, head_dim, block_d, True)
    dk = tl.zeros([block_n, block_d], tl.float32)
    dv = tl.zeros([block_n, block_d], tl.float32)
    for start in tl.range(0, num_frames, block_m):
        rows = start + tl.arange(0, block_m)
        here = locate(unit, rows, units, positions, num_heads, num_frames, pack, head_dim, False)
        q = load(query, here, query_strides, head_dim, block_d, True)
        do = load(grad_out, here, grad_strides, head_dim, block_d, True)
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
    store(grad_key, dk * scale, there, written_strides, head_dim, block_d, True)
    store(grad_value, dv, there, written_strides, head_dim, block_d, True)


def forward(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> tuple[Tensor, Tensor]:
    """Output, and the largest score and sum of each row where the backward will want them, else no numbers.

    Args:
        query, key, value: (batch * num_frames, positions, channels), of any strides; copied if the last is not 1.

    Returns:
        (batch * num_frames, positions, channels) contiguous, and (units, num_frames, 2) or (0,) float32.

    Raises:
        ValueError: more heads and positions than a launch can count.
    """
    call = _Call(query, num_frames, num_heads)
    query, key, value = (with_adjacent_channels(tensor) for tensor in (query, key, value))
    out = query.new_empty(query.shape)
    shape = statistics_shape(query.shape, num_frames, num_heads, query.dtype, call.warpgroups)
    statistics = query.new_empty(shape, dtype=torch.float32)
    outputs = (out,) if call.plan.whole_row else (out, statistics)
    kernel = whole_row_forward if call.plan.whole_row else tiled_forward
    strides = _strides(query, key, value, out)
    call.start(kernel, call.plan.forward, (query, key, value, *outputs), strides, (call.log2,))
    return out, statistics


def backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor | None,
    statistics: Tensor | None,
    num_frames: int,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by query, key and value, each contiguous.

    Args:
        out, statistics: those of `forward`, None where it gave no statistics.
    """
    call = _Call(query, num_frames, num_heads)
    plan, scales = call.plan, (call.scale, call.log2)
    gradient, *inputs = (with_adjacent_channels(tensor) for tensor in (gradient, query, key, value))
    written = query.new_empty(query.shape), query.new_empty(query.shape), query.new_empty(query.shape)
    strides = _strides(*inputs, gradient)
    if out is None or statistics is None:
        kernel = turned_backward if plan.turned else whole_row_backward
        call.start(kernel, plan.backward, (*inputs, gradient, *written), strides + _strides(written[0]), scales)
        return written
    assert plan.backward_key_value is not None
    out, delta = with_adjacent_channels(out), statistics.new_empty(statistics.shape[:2])
    tensors = (*inputs, out, statistics, gradient, delta, written[0])
    call.start(tiled_backward_query, plan.backward, tensors, strides + _strides(out, written[0]), scales)
    tensors = (*inputs, statistics, gradient, delta, *written[1:])
    tiles, strides = plan.backward_key_value, strides + _strides(written[0])
    call.start(tiled_backward_key_value, tiles, tensors, strides, scales, rows=tiles.block_n)
    return written


def _strides(*tensors: Tensor) -> tuple[tuple[int, int], ...]:
    return tuple((tensor.stride(0), tensor.stride(1)) for tensor in tensors)


class _Call:
    """The shape and the arguments that all kernels of one call share."""

    def __init__(self, query: Tensor, num_frames: int, num_heads: int) -> None:
        batch_frames, self.positions, channels = query.shape
        self.num_frames, self.num_heads, self.head_dim = num_frames, num_heads, channels // num_heads
        self.units = batch_frames // num_frames * self.positions * num_heads
        self.device, self.warpgroups = query.device, has_warpgroups(query.device)
        self.plan = plan_for(num_frames, self.head_dim, query.dtype, self.warpgroups)
        self.scale = 1 / math.sqrt(self.head_dim)
        self.log2 = self.scale * LOG2_E

    def start(
        self,
        kernel: Any,
        tiles: Tiles,
        tensors: tuple[Tensor, ...],
        strides: tuple[tuple[int, int], ...],
        scales: tuple[float, ...],
        rows: int = 0,
    ) -> None:
        """Starts as many programs as run at once; or one for each `rows` (block_m) frames of a unit."""
        plan = self.plan
        shape: dict[str, Any] = {}
        if plan.whole_row:
            full = plan.pack * self.num_frames == tiles.block_n and self.units % plan.pack == 0
            shape = {"packed": plan.pack > 1, "ragged": not full or self.head_dim != plan.block_d}
            needed = -(-self.units // plan.pack) * (1 if kernel is turned_backward else tiles.block_n // tiles.block_m)
            programs = min(needed, tiles.programs * multiprocessors(self.device))
            if tiles.max_registers(shape["ragged"]) and not torch.version.hip:
                shape["maxnreg"] = tiles.max_registers(shape["ragged"])
        else:
            needed = programs = self.units * -(-self.num_frames // (rows or tiles.block_m))
        if max(needed, self.units) > MAX_PROGRAMS // 2:  # they are counted in 32 bits, a stride beyond the last
            raise ValueError(
                f"{self.units} heads and positions of {self.num_frames} frames are more than the {MAX_PROGRAMS // 2} "
                "tiles that a launch can count: split the batch."
            )
        if programs == 0:
            return
        with on(self.device):
            kernel[(programs,)](
                *tensors,
                *strides,
                self.units,
                self.positions,
                self.num_heads,
                self.num_frames,
                plan.pack,
                *scales,
                head_dim=self.head_dim,
                block_m=tiles.block_m,
                block_n=tiles.block_n,
                block_d=plan.block_d,
                num_warps=tiles.num_warps,
                num_stages=tiles.num_stages,
                **shape,
            )
