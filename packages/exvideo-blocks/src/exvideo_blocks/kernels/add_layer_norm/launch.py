"""Starts the Triton kernels on tensors: strides, tiles, chunks of rows, and the sums over chunks. Imports triton."""

from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.kernels.add_layer_norm import row_kernels
from exvideo_blocks.kernels.add_layer_norm.plan import chunks_of, tile_of
from exvideo_blocks.kernels.add_layer_norm.reference import sum_of_rows
from exvideo_blocks.kernels.triton_support import on, row_strides, with_adjacent_channels

MAX_ROWS = 2**30  # numbers of rows are of 32 bits, those that a last chunk has too many as well


def forward(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """tokens + added and its layer norm, both contiguous.

    Args:
        tokens: (batch * frames, positions, channels), of any strides; copied if the last is not 1.
        added: of the same shape, or (frames, channels); likewise.
        weight, bias: (channels,), of any dtype.
    """
    rows = _rows(tokens)
    tokens, added = with_adjacent_channels(tokens), with_adjacent_channels(added)
    if added.dim() == 2:
        added = added[:, None].expand(-1, tokens.shape[1], -1)
    total, normed = tokens.new_empty(tokens.shape), tokens.new_empty(tokens.shape)
    tile = tile_of(tokens.shape[2])
    if rows:
        kernel: Any = row_kernels.add_norm_forward
        with on(tokens.device):
            kernel[(-(-rows // tile.block_rows),)](
                *(tokens, added, weight.contiguous(), bias.contiguous(), total, normed),
                *row_strides(tokens, added),
                rows,
                tokens.shape[1],
                tokens.shape[0],
                added.shape[0],
                eps,
                channels=tokens.shape[2],
                block_rows=tile.block_rows,
                block_c=tile.block_c,
                num_warps=tile.num_warps,
            )
    return total, normed


def backward(
    by_total: Tensor, by_normed: Tensor, total: Tensor, weight: Tensor, eps: float, added_frames: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients by tokens, by the rows added (no numbers where added_frames is 0), by weight and by bias.

    Args:
        by_total, by_normed: gradients by both outputs of `forward`.
        total: the first of them.
        added_frames: rows of `added`, or 0 where it had the shape of tokens: its gradient is that by tokens.
    """
    rows = _rows(total)
    batch_frames, positions, channels = total.shape
    by_total, by_normed, total = (with_adjacent_channels(tensor) for tensor in (by_total, by_normed, total))
    by_tokens = total.new_empty(total.shape)
    groups, sums = (batch_frames, 3) if added_frames else (1, 2)
    tile = tile_of(channels)
    chunks, tiles = chunks_of(groups, rows // max(1, groups), tile)
    partial = total.new_empty((groups, chunks, sums, channels), dtype=torch.float32)
    if rows:
        kernel: Any = row_kernels.add_norm_backward
        with on(total.device):
            kernel[(groups * chunks,)](
                *(by_total, by_normed, total, weight.contiguous(), by_tokens, partial),
                *row_strides(by_total, by_normed, total),
                rows // groups,
                chunks,
                positions,
                batch_frames,
                eps,
                channels=channels,
                sums=sums,
                tiles=tiles,
                block_rows=tile.block_rows,
                block_c=tile.block_c,
                num_warps=tile.num_warps,
            )
    by_weight, by_bias, *by_rows = partial.sum(1).unbind(1)
    by_added = sum_of_rows(by_rows[0] if by_rows else by_bias, added_frames)
    return by_tokens, by_added.to(total.dtype), by_weight.sum(0).to(weight.dtype), by_bias.sum(0).to(weight.dtype)


def _rows(tokens: Tensor) -> int:
    rows = tokens.shape[0] * tokens.shape[1]
    if rows > MAX_ROWS:
        raise ValueError(f"{rows} frames and positions are more than the {MAX_ROWS} of one launch: split the batch.")
    return rows
