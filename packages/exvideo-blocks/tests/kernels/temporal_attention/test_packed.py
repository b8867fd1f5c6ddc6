"""Attention of packed projections as every machine computes it: no Triton, no GPU."""

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import temporal_attention, temporal_attention_packed
from exvideo_blocks.kernels.temporal_attention.backends import BackendError
from exvideo_blocks.kernels.temporal_attention.packed_library import (
    temporal_attention_packed_backward_op,
    temporal_attention_packed_op,
)
from exvideo_blocks.kernels.triton_support import runs_triton
from torch import Tensor


def random_packed(num_frames: int = 5, positions: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2 * num_frames, positions, 96, generator=generator).to(dtype).requires_grad_()


@pytest.mark.parametrize("backend", ["auto", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_bits_of_three_tensors(backend: str, dtype: torch.dtype) -> None:
    qkv = random_packed(dtype=dtype)
    parts = [part.detach().contiguous().requires_grad_() for part in qkv.chunk(3, dim=-1)]
    found = temporal_attention_packed(qkv, num_frames=5, num_heads=2, backend=backend)
    expected = temporal_attention(*parts, num_frames=5, num_heads=2, backend=backend)
    assert torch.equal(found, expected)
    gradient = torch.randn_like(found)
    (by_qkv,) = torch.autograd.grad(found, qkv, gradient)
    assert torch.equal(by_qkv, torch.cat(torch.autograd.grad(expected, parts, gradient), dim=-1))


def test_under_autocast_it_computes_in_that_dtype() -> None:
    qkv = random_packed()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = temporal_attention_packed(qkv, num_frames=5, num_heads=2, backend="sdpa")
    assert torch.equal(found, temporal_attention_packed(qkv.bfloat16(), num_frames=5, num_heads=2))


def test_the_operator_has_the_right_gradients() -> None:
    qkv = random_packed(3, 2, torch.float64)
    assert not runs_triton(qkv)
    assert torch.autograd.gradcheck(lambda x: temporal_attention_packed_op(x, 3, 2)[0], (qkv,))


def test_the_operator_keeps_pytorchs_contract() -> None:
    qkv = random_packed(3, 2, torch.float64)
    torch.library.opcheck(temporal_attention_packed_op, (qkv, 3, 2))
    gradient = torch.randn(6, 2, 32, dtype=torch.float64)
    torch.library.opcheck(temporal_attention_packed_backward_op, (gradient, qkv.detach(), None, None, 3, 2))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"qkv is of shape \(10, 3, 32\): give .*3 \* channels"):
        temporal_attention_packed(torch.randn(10, 3, 32), num_frames=5, num_heads=2)
    for backend in ("auto", "triton"):
        with pytest.raises(ValueError, match="num_frames=4 does not divide the 10 frames"):
            temporal_attention_packed(torch.randn(10, 3, 96), num_frames=4, num_heads=2, backend=backend)


def test_triton_on_a_cpu_is_an_error_that_names_why() -> None:
    with pytest.raises(BackendError, match=r"cannot run temporal attention on cpu.*(need a GPU|not installed)"):
        temporal_attention_packed(torch.randn(10, 3, 96), num_frames=5, num_heads=2, backend="triton")
