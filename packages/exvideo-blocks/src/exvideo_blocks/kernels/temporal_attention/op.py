"""Attention along frames, on the layout that the rest of the network uses: nobody outside this file permutes.

Today every device runs PyTorch's scaled dot-product attention; kernels that read the token-major memory in place
take its place behind this same signature.
"""

from torch import Tensor
from torch.nn import functional as F

MOST_HEADS_ON_CUDA = 65_535  # PyTorch's kernels put heads on a grid axis that ends there


def temporal_attention(query: Tensor, key: Tensor, value: Tensor, *, num_frames: int, num_heads: int) -> Tensor:
    """softmax(Q K^T / sqrt(head_dim)) V over the frames of each spatial position, no mask.

    Args:
        query, key, value: (batch * num_frames, positions, channels), frames of one clip adjacent on the first axis.
        num_frames: frames a clip.
        num_heads: heads; channels = num_heads * head_dim.

    Returns:
        (batch * num_frames, positions, channels).
    """
    if query.is_cuda and query.shape[1] * num_heads > MOST_HEADS_ON_CUDA:
        query_rows, key_rows, value_rows = (split_heads(t, num_frames, num_heads) for t in (query, key, value))
        attended = F.scaled_dot_product_attention(query_rows, key_rows, value_rows)
        return join_heads(attended, positions=query.shape[1])
    # A position is attended to by itself, as a head is: with positions among the heads, nothing has to be copied.
    heads, key_heads, value_heads = (_positions_as_heads(t, num_frames, num_heads) for t in (query, key, value))
    return F.scaled_dot_product_attention(heads, key_heads, value_heads).transpose(1, 2).reshape(query.shape)


def _positions_as_heads(tokens: Tensor, num_frames: int, num_heads: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch, positions * heads, frames, head_dim), a view."""
    batch_frames, positions, channels = tokens.shape
    shape = (batch_frames // num_frames, num_frames, positions * num_heads, channels // num_heads)
    return tokens.reshape(shape).transpose(1, 2)


def split_heads(tokens: Tensor, num_frames: int, num_heads: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch * positions, heads, frames, head_dim)."""
    batch_frames, positions, channels = tokens.shape
    batch, head_dim = batch_frames // num_frames, channels // num_heads
    tokens = tokens.reshape(batch, num_frames, positions, num_heads, head_dim)
    return tokens.permute(0, 2, 3, 1, 4).reshape(batch * positions, num_heads, num_frames, head_dim)


def join_heads(attended: Tensor, positions: int) -> Tensor:
    """(batch * positions, heads, frames, head_dim) -> (batch * frames, positions, channels)."""
    rows, num_heads, num_frames, head_dim = attended.shape
    batch = rows // positions
    attended = attended.reshape(batch, positions, num_heads, num_frames, head_dim).permute(0, 3, 1, 2, 4)
    return attended.reshape(batch * num_frames, positions, num_heads * head_dim)
