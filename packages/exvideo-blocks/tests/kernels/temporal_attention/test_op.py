"""Tests for every machine: the reference, the operator on it, and the errors; no Triton, no GPU."""

import os
import subprocess
import sys

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import reference, temporal_attention
from exvideo_blocks.kernels.temporal_attention.register import temporal_attention_backward_op, temporal_attention_op
from exvideo_blocks.kernels.triton_support import runs_triton
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def random_inputs(
    num_frames: int = 5, positions: int = 3, dtype: torch.dtype = torch.float32, batch: int = 2
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch * num_frames, positions, 32)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for _ in range(3)]


def by_the_formula(q: Tensor, k: Tensor, v: Tensor, num_frames: int, num_heads: int) -> Tensor:
    q, k, v = (x.unflatten(0, (-1, num_frames)).unflatten(-1, (num_heads, -1)) for x in (q, k, v))
    weights = torch.einsum("btphd,bsphd->bphts", q, k).div(q.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("bphts,bsphd->btphd", weights, v).flatten(-2).flatten(0, 1)


def attend(q: Tensor, k: Tensor, v: Tensor, num_frames: int = 5) -> Tensor:
    return temporal_attention(q, k, v, num_frames=num_frames, num_heads=2)


@pytest.mark.parametrize("num_frames", [1, 2, 7, 25])
def test_it_is_attention_along_frames(num_frames: int) -> None:
    inputs = random_inputs(num_frames, dtype=torch.float64)
    torch.testing.assert_close(attend(*inputs, num_frames), by_the_formula(*inputs, num_frames, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_auto_and_sdpa_are_the_same_bits_on_a_cpu(dtype: torch.dtype) -> None:
    inputs = random_inputs(dtype=dtype)
    chosen = temporal_attention(*inputs, num_frames=5, num_heads=2, backend="sdpa")
    assert torch.equal(attend(*inputs), chosen)
    assert torch.equal(chosen, reference.attend(*inputs, 5, 2))


def test_a_clip_is_alone_in_its_batch() -> None:
    inputs = random_inputs()
    halves = [attend(*(x[rows] for x in inputs)) for rows in (slice(0, 5), slice(5, 10))]
    torch.testing.assert_close(torch.cat(halves), attend(*inputs), rtol=0, atol=1e-6)


def test_compiled_and_checkpointed_it_is_the_same() -> None:
    inputs = random_inputs()
    expected = attend(*inputs)
    gradients = torch.autograd.grad(expected.square().sum(), inputs)
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    for found in (compiled(*inputs), checkpoint(attend, *inputs, use_reentrant=False)):
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found.square().sum(), inputs), gradients)


@pytest.mark.parametrize("backend", ["auto", "sdpa"])
def test_under_autocast_it_computes_in_that_dtype(backend: str) -> None:
    inputs = random_inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = temporal_attention(*inputs, num_frames=5, num_heads=2, backend=backend)
    assert torch.equal(found, attend(*(x.bfloat16() for x in inputs)))


def operator(q: Tensor, k: Tensor, v: Tensor, num_frames: int) -> Tensor:
    return temporal_attention_op(q, k, v, num_frames, 2)[0]


def test_the_operator_has_the_right_gradients() -> None:
    inputs = random_inputs(3, 2, dtype=torch.float64)
    assert not runs_triton(inputs[0])
    assert torch.autograd.gradcheck(operator, (*inputs, 3))
    repeated = inputs[0]
    assert torch.autograd.gradcheck(lambda x: operator(x, x, x, 3), (repeated,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_operator_keeps_pytorchs_contract(dtype: torch.dtype) -> None:
    inputs = random_inputs(3, 2, dtype=dtype)
    tolerance = {"rtol": 1e-2, "atol": 1e-2} if dtype == torch.float16 else {}
    torch.library.opcheck(temporal_attention_op, (*inputs, 3, 2), **tolerance)
    q, k, v = (x.detach() for x in inputs)
    torch.library.opcheck(temporal_attention_backward_op, (torch.randn_like(q), q, k, v, None, None, 3, 2))


def test_the_reference_backward_is_that_of_pytorch() -> None:
    inputs = random_inputs()
    gradient = torch.randn(10, 1, 32).expand(10, 3, 32)
    expected = torch.autograd.grad(reference.attend(*inputs, 5, 2), inputs, gradient)
    found = reference.attend_backward(gradient, *(x.detach() for x in inputs), 5, 2)
    torch.testing.assert_close(found, expected)


def test_shapes_that_do_not_fit_are_refused() -> None:
    x = torch.randn(10, 3, 32)
    with pytest.raises(ValueError, match="num_frames=4 does not divide the 10 frames"):
        temporal_attention(x, x, x, num_frames=4, num_heads=2)
    with pytest.raises(ValueError, match="num_heads=3 does not divide 32 channels"):
        temporal_attention(x, x, x, num_frames=5, num_heads=3)
    with pytest.raises(ValueError, match=r"of shapes \(10, 3, 32\), \(10, 2, 32\), \(10, 3, 32\)"):
        temporal_attention(x, x[:, :2], x, num_frames=5, num_heads=2)


def test_devices_that_do_not_fit_are_refused() -> None:
    x = torch.randn(10, 3, 32)
    with pytest.raises(ValueError, match="query, key and value are on cpu, meta and cpu: give one"):
        temporal_attention(x, x.to("meta"), x, num_frames=5, num_heads=2)


def test_dtypes_that_do_not_fit_are_refused_but_under_autocast() -> None:
    q, k, v = (x.detach() for x in random_inputs())
    with pytest.raises(ValueError, match=r"are torch.float32, torch.bfloat16 and torch.float32: give one dtype"):
        attend(q, k.bfloat16(), v)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(attend(q, k.bfloat16(), v), attend(q.bfloat16(), k.bfloat16(), v.bfloat16()))


WITHOUT_TRITON = """
import sys
sys.modules["triton"] = None  # to import it is an error now
import torch
from exvideo_blocks.kernels.temporal_attention import temporal_attention
from exvideo_blocks.kernels.temporal_attention.register import temporal_attention_op
qkv = [torch.randn(10, 3, 32, requires_grad=True) for _ in range(3)]
out = temporal_attention(*qkv, num_frames=5, num_heads=2) + temporal_attention_op(*qkv, 5, 2)[0]
assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), qkv))
"""


def test_all_of_it_works_where_triton_cannot_be_imported() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", WITHOUT_TRITON], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
