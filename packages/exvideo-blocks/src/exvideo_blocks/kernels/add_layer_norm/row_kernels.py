"""Triton kernels of a sum and its layer norm: whole rows of channels in registers, each number read and written once.

A row is the channels of one position in one frame. Its number is frame * positions + position, of 32 bits (`launch`
refuses more); offsets into memory are of 64. Statistics are float32, of the sum as it is written, so that the backward
computes them again from the sum alone: nothing else is saved.
"""

import triton
import triton.language as tl


@triton.jit
def offsets(rows, positions, frames, row_stride, position_stride, columns):
    """Offsets (rows, columns) in a tensor (frames, positions, channels); frames begin anew after the last."""
    frame = (rows // positions % frames).to(tl.int64)
    position = (rows % positions).to(tl.int64)
    return (frame * row_stride + position * position_stride)[:, None] + columns[None, :]


@triton.jit
def standardise(x, mask, eps, channels: tl.constexpr):
    """(x - mean) / sqrt(variance + eps) of each row, and the factor 1 / sqrt(...); `there` says which numbers exist."""
    centred = tl.where(mask, x - (tl.sum(x, 1) / channels)[:, None], 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, 1) / channels + eps)[:, None]
    return centred * inverse, inverse


@triton.jit
def add_norm_forward(
    tokens,
    added,
    weight,
    bias,
    total,
    normed,
    tokens_row,
    tokens_position,
    added_row,
    added_position,
    rows,
    positions,
    frames,
    added_frames,
    eps,
    channels: tl.constexpr,
    block_rows: tl.constexpr,
    block_c: tl.constexpr,
):
    """total = tokens + added and normed = layer_norm(total), both contiguous, for block_rows rows a program."""
    row = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    columns = tl.arange(0, block_c)
    column_mask = columns < channels
    mask = (row < rows)[:, None] & column_mask[None, :]
    x = tl.load(tokens + offsets(row, positions, frames, tokens_row, tokens_position, columns), mask=mask, other=0.0)
    a = tl.load(added + offsets(row, positions, added_frames, added_row, added_position, columns), mask=mask, other=0.0)
    rounded = (x.to(tl.float32) + a.to(tl.float32)).to(total.dtype.element_ty)
    written = row.to(tl.int64)[:, None] * channels + columns[None, :]
    tl.store(total + written, rounded, mask=mask)
    w = tl.load(weight + columns, mask=column_mask, other=0.0).to(tl.float32)
    b = tl.load(bias + columns, mask=column_mask, other=0.0).to(tl.float32)
    x_hat, _ = standardise(rounded.to(tl.float32), mask, eps, channels)
    tl.store(normed + written, (x_hat * w[None, :] + b[None, :]).to(normed.dtype.element_ty), mask=mask)


@triton.jit
def add_norm_backward(
    grad_total,
    grad_normed,
    total,
    weight,
    grad_tokens,
    partial,
    grad_total_row,
    grad_total_position,
    grad_normed_row,
    grad_normed_position,
    total_row,
    total_position,
    group_rows,
    chunks,
    positions,
    frames,
    eps,
    channels: tl.constexpr,
    sums: tl.constexpr,
    tiles: tl.constexpr,
    block_rows: tl.constexpr,
    block_c: tl.constexpr,
):
    """Gradient by tokens of `tiles` tiles of rows a program, and what those rows add to the gradients of row vectors.

    Rows come in groups, those whose sum is one row of the gradient by `added`; `partial` is (groups * chunks, sums,
    channels) float32: by weight, by bias, and if sums is 3 by the row added. No atomics, so the same inputs give the
    same bits.
    """
    program = tl.program_id(0)
    first = program // chunks * group_rows
    start = program % chunks * tiles * block_rows
    columns = tl.arange(0, block_c)
    column_mask = columns < channels
    w = tl.load(weight + columns, mask=column_mask, other=0.0).to(tl.float32)
    by_weight = tl.zeros([block_rows, block_c], tl.float32)
    by_bias = tl.zeros([block_rows, block_c], tl.float32)
    by_row = tl.zeros([block_rows, block_c], tl.float32)
    for tile in range(tiles):
        in_group = start + tile * block_rows + tl.arange(0, block_rows)
        row = first + in_group
        mask = (in_group < group_rows)[:, None] & column_mask[None, :]
        x = tl.load(total + offsets(row, positions, frames, total_row, total_position, columns), mask=mask, other=0.0)
        ds = tl.load(
            grad_total + offsets(row, positions, frames, grad_total_row, grad_total_position, columns),
            mask=mask,
            other=0.0,
        ).to(tl.float32)
        dy = tl.load(
            grad_normed + offsets(row, positions, frames, grad_normed_row, grad_normed_position, columns),
            mask=mask,
            other=0.0,
        ).to(tl.float32)
        x_hat, inverse = standardise(x.to(tl.float32), mask, eps, channels)
        g = w[None, :] * dy
        mean_g = (tl.sum(g, 1) / channels)[:, None]
        mean_g_x_hat = (tl.sum(g * x_hat, 1) / channels)[:, None]
        dx = ds + (g - mean_g - x_hat * mean_g_x_hat) * inverse
        written = row.to(tl.int64)[:, None] * channels + columns[None, :]
        tl.store(grad_tokens + written, dx.to(grad_tokens.dtype.element_ty), mask=mask)
        by_weight += tl.where(mask, dy * x_hat, 0.0)
        by_bias += dy
        by_row += tl.where(mask, dx, 0.0)
    sum_at = partial + program.to(tl.int64) * sums * channels + columns
    tl.store(sum_at, tl.sum(by_weight, 0), mask=column_mask)
    tl.store(sum_at + channels, tl.sum(by_bias, 0), mask=column_mask)
    if sums == 3:
        tl.store(sum_at + 2 * channels, tl.sum(by_row, 0), mask=column_mask)
