"""Attention along frames, on the layout that the rest of the network uses: nobody outside this folder permutes."""

import torch
from torch import Tensor

from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.backends import ATTEND, Backend, choose
from exvideo_blocks.kernels.temporal_attention.packed_library import temporal_attention_packed_op, unpack
from exvideo_blocks.kernels.temporal_attention.plan import probed_length


def temporal_attention(
    query: Tensor, key: Tensor, value: Tensor, *, num_frames: int, num_heads: int, backend: Backend = "auto"
) -> Tensor:
    """softmax(Q K^T / sqrt(head_dim)) V over the frames of each spatial position, no mask.

    Args:
        query, key, value: (batch * num_frames, positions, channels), frames of one clip adjacent on the first axis.
            One dtype and one device; any strides, such as those of slices of packed projections.
        num_frames: frames a clip.
        num_heads: heads; channels = num_heads * head_dim.
        backend: `auto`, `triton`, `sdpa` or `xformers`. `auto` takes the fastest that runs and logs which; on a CPU
            that is always `sdpa`. docs/kernels.md has what each can do.

    Returns:
        (batch * num_frames, positions, channels). Under autocast, in its dtype, as PyTorch's attention.

    Raises:
        ValueError: shapes or dtypes do not fit together, or there is no such backend.
        BackendError: the backend that was asked for cannot run here.
    """
    _check(query, key, value, num_frames, num_heads)
    if backend == "auto" and not query.is_cuda:
        return reference.attend(query, key, value, num_frames, num_heads)
    query, key, value = _as_autocast(query, key, value)
    chosen = _choose(backend, query.device, query.dtype, probed_length(num_frames), query.shape[2] // num_heads)
    return ATTEND[chosen](query, key, value, num_frames, num_heads)


def temporal_attention_packed(qkv: Tensor, *, num_frames: int, num_heads: int, backend: Backend = "auto") -> Tensor:
    """`temporal_attention` of one projection's output, whose gradient comes back as one tensor where triton runs.

    Args:
        qkv: (batch * num_frames, positions, 3 * channels), query, key and value one after the other along the last
            axis, as `project_packed` gives them.
        num_frames, num_heads, backend: as in `temporal_attention`; the backends other than triton get three slices.

    Returns:
        (batch * num_frames, positions, channels). Under autocast, in its dtype.

    Raises:
        ValueError: shapes do not fit together, or there is no such backend.
        BackendError: the backend that was asked for cannot run here.
    """
    if qkv.dim() != 3 or qkv.shape[2] % 3:
        raise ValueError(
            f"qkv is of shape {tuple(qkv.shape)}: give (batch * frames, positions, 3 * channels), "
            "query, key and value along the last axis."
        )
    query, key, value = unpack(qkv)
    if backend == "auto" and not qkv.is_cuda:
        return temporal_attention(query, key, value, num_frames=num_frames, num_heads=num_heads)
    _check(query, key, value, num_frames, num_heads)
    (qkv,) = _as_autocast(qkv)
    chosen = _choose(backend, qkv.device, qkv.dtype, probed_length(num_frames), query.shape[2] // num_heads)
    if chosen == "triton":
        return temporal_attention_packed_op(qkv, num_frames, num_heads)[0]
    return ATTEND[chosen](*unpack(qkv), num_frames, num_heads)


# While compiling, the choice is made once, outside the graph. (`torch.compiler.assume_constant_result` sets this mark,
# and imports the compiler, which not every user of these layers needs.)
def _choose(backend: Backend, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> str:
    return choose(backend, device, dtype, num_frames, head_dim)


_choose._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _check(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> None:
    if not query.shape == key.shape == value.shape or query.dim() != 3:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (query, key, value))
        raise ValueError(
            f"query, key and value are of shapes {shapes}: give three of (batch * frames, positions, channels)."
        )
    if not query.dtype == key.dtype == value.dtype and not torch.is_autocast_enabled(query.device.type):
        raise ValueError(
            f"query, key and value are {query.dtype}, {key.dtype} and {value.dtype}: "
            "give one dtype, or call this under autocast."
        )
    if num_frames < 1 or query.shape[0] % num_frames:
        raise ValueError(
            f"num_frames={num_frames} does not divide the {query.shape[0]} frames of the first axis: "
            "give the frames of one clip."
        )
    if num_heads < 1 or query.shape[2] % num_heads:
        raise ValueError(
            f"num_heads={num_heads} does not divide {query.shape[2]} channels: give a number of heads that does."
        )


def _as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Cast as autocast casts the inputs of PyTorch's attention; it does not know other operators."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(tensor if tensor.dtype == torch.float64 else tensor.to(dtype) for tensor in tensors)
