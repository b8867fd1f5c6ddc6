"""Attention along frames, on the layout that the rest of the network uses: nobody outside this folder permutes."""

from collections.abc import Callable

import torch
from torch import Tensor

from exvideo_blocks.kernels.choose import (
    Backend,
    BackendError,
    Case,
    Operator,
    choose,
    refuse_difference,
)
from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.plan import probed_length
from exvideo_blocks.kernels.temporal_attention.register import temporal_attention_op
from exvideo_blocks.kernels.triton_support import obstacle_to_triton

HEAD_DIMS = (16, 128)
MAX_XFORMERS_HEADS = 65_535  # its kernels put heads on a grid axis that ends there
PROBED_POSITIONS, PROBED_HEADS = 16, 2  # so that strides are the multiples that a model's are, and kernels the same


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
        ValueError: shapes, dtypes or devices do not fit together, or there is no such backend.
        BackendError: the backend that was asked for cannot run here.
    """
    _check(query, key, value, num_frames, num_heads)
    if backend == "auto" and not query.is_cuda:
        return reference.attend(query, key, value, num_frames, num_heads)
    query, key, value = _as_autocast(query, key, value)
    training = torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad)
    head_dim = query.shape[2] // num_heads
    chosen = _choose(backend, query.device, query.dtype, probed_length(num_frames), head_dim, training)
    return OPERATOR.backends[chosen](query, key, value, num_frames, num_heads)


def check_runs(backend: Backend, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int) -> None:
    """Raises BackendError if a backend that is asked for by name cannot compute such clips; says why."""
    if backend != "auto" and device.type != "meta":
        choose(OPERATOR, backend, Case(device, dtype, probed_length(num_frames), head_dim, training=False))


def attend_by_triton(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    return temporal_attention_op(query, key, value, num_frames, num_heads)[0]


def attend_by_xformers(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    from xformers.ops import memory_efficient_attention

    heads = query.shape[1] * num_heads
    if heads > MAX_XFORMERS_HEADS:
        raise BackendError(
            f"{heads} heads and positions a clip are more than the {MAX_XFORMERS_HEADS} that xformers can do: "
            "choose the backend triton or sdpa."
        )
    shape = (-1, num_frames, heads, query.shape[2] // num_heads)
    return memory_efficient_attention(query.reshape(shape), key.reshape(shape), value.reshape(shape)).view(query.shape)


# While compiling, the choice is made once, outside the graph. (`torch.compiler.assume_constant_result` sets this mark,
# and imports the compiler, which not every user of these layers needs.)
def _choose(
    backend: Backend, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int, training: bool
) -> str:
    return choose(OPERATOR, backend, Case(device, dtype, num_frames, head_dim, training))


_choose._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _obstacle(backend: str, case: Case) -> str | None:
    if backend != "triton":
        return None
    known = obstacle_to_triton(case.device, case.dtype)
    if known is None and not HEAD_DIMS[0] <= case.head_dim <= HEAD_DIMS[1]:
        return f"its kernels take a head_dim from {HEAD_DIMS[0]} to {HEAD_DIMS[1]}"
    return known


def _expected(case: Case) -> str:
    """triton in half precision to 256 frames; in float32 it multiplies without matrix units (docs/kernels.md)."""
    return "triton" if case.dtype.itemsize == 2 and case.num_frames <= 256 else "sdpa"


def _probe(attend: Callable[..., Tensor], case: Case) -> None:
    """Runs a backend forward and backward, and compares it with PyTorch's.

    Raises:
        RuntimeError: its error is larger than PyTorch's by more than rounding.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (case.num_frames, PROBED_POSITIONS, PROBED_HEADS * case.head_dim)
    drawn = [torch.randn(shape, generator=generator).to(case.device, case.dtype) for _ in range(4)]
    results: list[list[Tensor]] = []
    for run, dtype in ((reference.attend, torch.float64), (reference.attend, case.dtype), (attend, case.dtype)):
        *inputs, gradient = (tensor.to(dtype) for tensor in drawn)
        inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        query, key, value = inputs
        out = run(query, key, value, case.num_frames, PROBED_HEADS)
        results.append([out, *torch.autograd.grad(out, inputs, gradient)])
    refuse_difference(*results)


OPERATOR = Operator(
    "temporal attention",
    {"triton": attend_by_triton, "sdpa": reference.attend, "xformers": attend_by_xformers},
    _obstacle,
    _probe,
    _expected,
    probed_length,
)


def _check(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> None:
    if not query.shape == key.shape == value.shape or query.dim() != 3:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (query, key, value))
        raise ValueError(
            f"query, key and value are of shapes {shapes}: give three of (batch * frames, positions, channels)."
        )
    if not query.device == key.device == value.device:
        raise ValueError(f"query, key and value are on {query.device}, {key.device} and {value.device}: give one.")
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
