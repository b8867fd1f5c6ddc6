"""Attention of packed projections on interpreted Triton kernels: run by ../test_interpreted.py.

The kernels are those of three tensors, which exactness.py judges; here they must give the same bits.
"""

from collections.abc import Callable

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import project_packed, temporal_attention, temporal_attention_packed
from exvideo_blocks.kernels.temporal_attention.packed_library import (
    temporal_attention_packed_backward_op,
    temporal_attention_packed_op,
)
from torch import Tensor
from torch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.usefixtures("poisoned")

# In float32: several positions in a program; more than one program can hold. In float16: a whole row.
CASES = [(5, torch.float32), (40, torch.float32), (40, torch.float16)]


def random_packed(num_frames: int, dtype: torch.dtype = torch.float32, batch: int = 2) -> tuple[Tensor, Tensor]:
    """qkv and a gradient of the output, 2 heads of 16."""
    generator = torch.Generator().manual_seed(num_frames)
    positions = 3 if num_frames < 32 else 1  # an interpreter is slow
    qkv, gradient = (torch.randn(batch * num_frames, positions, c, generator=generator).to(dtype) for c in (96, 32))
    return qkv, gradient


def attend(qkv: Tensor, num_frames: int) -> Tensor:
    return temporal_attention_packed(qkv, num_frames=num_frames, num_heads=2, backend="triton")


def attend_in_three(qkv: Tensor, num_frames: int) -> Tensor:
    return temporal_attention(*qkv.chunk(3, dim=-1), num_frames=num_frames, num_heads=2, backend="triton")


def attended(compute: Callable[[Tensor, int], Tensor], qkv: Tensor, gradient: Tensor, num_frames: int) -> list[Tensor]:
    """Output and gradient."""
    qkv = qkv.detach().requires_grad_()
    out = compute(qkv, num_frames)
    return [out.detach(), *torch.autograd.grad(out, qkv, gradient)]


def assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(("num_frames", "dtype"), CASES)
def test_the_bits_of_three_tensors_and_one_gradient(num_frames: int, dtype: torch.dtype) -> None:
    qkv, gradient = random_packed(num_frames, dtype)
    found = attended(attend, qkv, gradient, num_frames)
    assert_equal(found, attended(attend_in_three, qkv, gradient, num_frames))
    assert found[1].is_contiguous()


@pytest.mark.parametrize("num_frames", [5, 40])
def test_wherever_it_lies(num_frames: int) -> None:
    """Slices of something larger, another order of memory, an expanded gradient."""
    qkv, gradient = random_packed(num_frames)
    expected = attended(attend, qkv, gradient, num_frames)
    wide = torch.cat([qkv, qkv], dim=-1)[..., 96:]
    assert not wide.is_contiguous()
    assert_equal(attended(attend, wide, gradient, num_frames), expected)
    strided = qkv.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert strided.stride(-1) != 1
    assert_equal(attended(attend, strided, gradient, num_frames), expected)
    row = gradient[:, :, :1].expand(gradient.shape)
    assert_equal(attended(attend, qkv, row, num_frames), attended(attend, qkv, row.contiguous(), num_frames))


def test_nothing_to_attend_to_is_nothing() -> None:
    qkv, gradient = torch.randn(5, 0, 96), torch.randn(5, 0, 32)
    assert [x.shape for x in attended(attend, qkv, gradient, 5)] == [(5, 0, 32), (5, 0, 96)]


@pytest.mark.parametrize("num_frames", [5, 40])
def test_opcheck(num_frames: int) -> None:
    qkv, gradient = random_packed(num_frames)
    out, statistics = temporal_attention_packed_op(qkv, num_frames, 2)
    saved = (out, statistics) if statistics.numel() else (None, None)
    torch.library.opcheck(temporal_attention_packed_backward_op, (gradient, qkv, *saved, num_frames, 2))
    torch.library.opcheck(temporal_attention_packed_op, (qkv.requires_grad_(), num_frames, 2))


@pytest.mark.parametrize("num_frames", [5, 40])
def test_compiled_and_checkpointed_it_is_the_same(num_frames: int) -> None:
    qkv, gradient = random_packed(num_frames)
    expected = attended(attend, qkv, gradient, num_frames)
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    assert_equal(attended(compiled, qkv, gradient, num_frames), expected)
    checkpointed = attended(lambda x, t: checkpoint(attend, x, t, use_reentrant=False), qkv, gradient, num_frames)
    assert_equal(checkpointed, expected)


def test_projected_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(10, 3, 32, generator=generator)
    weights = [torch.randn(32, 32, generator=generator, requires_grad=True) for _ in range(3)]
    with torch.autocast("cpu", dtype=torch.float16):
        found = attend(project_packed(tokens, weights), 5)
    expected = attend(project_packed(tokens.half(), [weight.half() for weight in weights]), 5)
    assert found.dtype == torch.float16
    assert torch.equal(found, expected)
    gradient = torch.randn(found.shape, generator=generator).half()
    by_weights = [list(torch.autograd.grad(out, weights, gradient)) for out in (found, expected)]
    assert_equal(*by_weights)
