"""The operator on interpreted Triton kernels, with what PyTorch does to operators: run by ../test_interpreted.py."""

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import temporal_attention
from exvideo_blocks.kernels.temporal_attention.register import temporal_attention_backward_op, temporal_attention_op
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

LENGTHS = (5, 40)  # in float32: several positions in a program; more than one program can hold


def random_inputs(num_frames: int, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch * num_frames, 3 if num_frames < 32 else 1, 32)  # an interpreter is slow
    return [torch.randn(shape, generator=generator, requires_grad=True) for _ in range(3)]


def attend(q: Tensor, k: Tensor, v: Tensor, num_frames: int) -> Tensor:
    return temporal_attention(q, k, v, num_frames=num_frames, num_heads=2, backend="triton")


def gradients(out: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad((out.float() * torch.linspace(-1, 1, out.shape[-1])).sum(), inputs)


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_opcheck(num_frames: int) -> None:
    inputs = random_inputs(num_frames)
    torch.library.opcheck(temporal_attention_op, (*inputs, num_frames, 2))
    q, k, v = (x.detach() for x in inputs)
    out, statistics = temporal_attention_op(q, k, v, num_frames, 2)
    saved = (out, statistics) if statistics.numel() else (None, None)
    torch.library.opcheck(temporal_attention_backward_op, (torch.randn_like(q), q, k, v, *saved, num_frames, 2))


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_compiled_without_a_break(num_frames: int) -> None:
    inputs = random_inputs(num_frames)
    expected = attend(*inputs, num_frames)
    found = torch.compile(attend, fullgraph=True, backend="aot_eager")(*inputs, num_frames)
    assert torch.equal(found, expected)
    for a, b in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        assert torch.equal(a, b)


def test_lengths_of_a_kind_share_a_graph() -> None:
    """As the number of frames changes: one graph for the first, one for all others on that side of the comparison."""
    graphs = CompileCounterWithBackend("aot_eager")

    @torch.compile(fullgraph=True, backend=graphs)
    def compiled(q: Tensor, k: Tensor, v: Tensor, num_frames: int) -> Tensor:
        return attend(q, k, v, num_frames)

    for num_frames in range(20, 27):
        x = torch.randn(num_frames, 3, 32, generator=torch.Generator().manual_seed(0))
        assert torch.equal(compiled(x, x, x, num_frames), attend(x, x, x, num_frames))
    assert graphs.frame_count <= 2


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_checkpointed(num_frames: int) -> None:
    inputs = random_inputs(num_frames)
    expected = gradients(attend(*inputs, num_frames), inputs)
    found = gradients(checkpoint(attend, *inputs, num_frames, use_reentrant=False), inputs)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_under_autocast_it_computes_in_that_dtype(num_frames: int) -> None:
    inputs = random_inputs(num_frames)
    halves = [x.detach().half().requires_grad_() for x in inputs]
    expected = attend(*halves, num_frames)
    with torch.autocast("cpu", dtype=torch.float16):
        found = attend(*inputs, num_frames)
    assert found.dtype == torch.float16
    assert torch.equal(found, expected)
    for a, b in zip(gradients(found, inputs), gradients(expected, halves), strict=True):
        assert torch.equal(a, b.float())


def test_compiled_under_autocast() -> None:
    inputs = random_inputs(5)
    with torch.autocast("cpu", dtype=torch.float16):
        found = torch.compile(attend, fullgraph=True, backend="aot_eager")(*inputs, 5)
        assert found.dtype == torch.float16
        assert torch.equal(found, attend(*inputs, 5))


def test_float64_is_refused_by_name() -> None:
    with pytest.raises(RuntimeError, match="compute in float32, float16 and bfloat16: give auto"):
        attend(*(x.double() for x in random_inputs(5)), 5)


def test_head_dims_beyond_the_kernels_are_refused_by_name() -> None:
    x = torch.randn(5, 3, 2 * 8)
    with pytest.raises(RuntimeError, match="head_dim 8: its kernels take a head_dim from 16 to 128"):
        attend(x, x, x, 5)
