"""The operator on interpreted Triton kernels, with what PyTorch does to operators: run by ../test_interpreted.py."""

import pytest
import torch
from exvideo_blocks.kernels.add_layer_norm import add_layer_norm
from exvideo_blocks.kernels.add_layer_norm.backends import BackendError
from exvideo_blocks.kernels.add_layer_norm.library import add_layer_norm_backward_op, add_layer_norm_op
from torch import Tensor
from torch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.usefixtures("poisoned")

ADDED = [(2, 24), (4, 3, 24)]  # a row a frame, a residual


def random_inputs(added: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 3, 24), added, (24,), (24,))
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def compute(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    return add_layer_norm(tokens, added, weight, bias, backend="triton")


def gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    ramp = torch.linspace(-1, 1, 24)
    return torch.autograd.grad((outputs[0] + ramp * outputs[1]).sum(), inputs)


@pytest.mark.parametrize("added", ADDED)
def test_opcheck(added: tuple[int, ...]) -> None:
    inputs = random_inputs(added)
    torch.library.opcheck(add_layer_norm_op, (*inputs, 1e-5))
    tokens, _, weight, _ = (x.detach() for x in inputs)
    frames = 2 if len(added) == 2 else 0
    arguments = (torch.randn_like(tokens), torch.randn_like(tokens), tokens, weight, 1e-5, frames)
    torch.library.opcheck(add_layer_norm_backward_op, arguments)


@pytest.mark.parametrize("added", ADDED)
def test_compiled_and_checkpointed_it_is_the_same(added: tuple[int, ...]) -> None:
    inputs = random_inputs(added)
    expected = compute(*inputs)
    by_inputs = gradients(expected, inputs)
    compiled = torch.compile(compute, fullgraph=True, backend="aot_eager")
    for found in (compiled(*inputs), checkpoint(compute, *inputs, use_reentrant=False)):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(gradients(found, inputs), by_inputs, strict=True))


def test_compiled_for_shapes_that_change() -> None:
    compiled = torch.compile(compute, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch_frames, positions, channels in ((4, 3, 24), (6, 5, 40)):
        generator = torch.Generator().manual_seed(0)
        shapes = ((batch_frames, positions, channels), (2, channels), (channels,), (channels,))
        inputs = [torch.randn(shape, generator=generator) for shape in shapes]
        assert all(torch.equal(a, b) for a, b in zip(compiled(*inputs), compute(*inputs), strict=True))


@pytest.mark.parametrize("unused", [0, 1])
def test_an_output_that_nobody_uses(unused: int) -> None:
    inputs = random_inputs(ADDED[0])
    used = 1 - unused
    ramp = torch.linspace(-1, 1, 24)
    found = torch.autograd.grad((compute(*inputs)[used] * ramp).sum(), inputs, allow_unused=True)
    expected = torch.autograd.grad((add_layer_norm(*inputs)[used] * ramp).sum(), inputs, materialize_grads=True)
    torch.testing.assert_close(found, expected)


def test_under_autocast_the_dtype_of_tokens_stays() -> None:
    tokens, added, weight, bias = random_inputs(ADDED[0])
    halves = (tokens.detach().half(), added.detach().half(), weight, bias)
    expected = compute(*halves)
    with torch.autocast("cpu", dtype=torch.float16):
        found = compute(*halves)
        compiled = torch.compile(compute, fullgraph=True, backend="aot_eager")(*halves)
    for outputs in (found, compiled):
        assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))
        assert outputs[1].dtype == torch.float16


def test_what_the_kernels_do_not_take_is_refused_by_name() -> None:
    with pytest.raises(BackendError, match="compute in float32, float16 and bfloat16: give auto"):
        compute(*random_inputs(ADDED[0], torch.float64))
    wide = torch.randn(1, 1, 8193)
    with pytest.raises(BackendError, match="up to 16384 channels: its kernels take 1 to 8192 channels: give auto"):
        compute(wide, wide, wide[0, 0], wide[0, 0])
