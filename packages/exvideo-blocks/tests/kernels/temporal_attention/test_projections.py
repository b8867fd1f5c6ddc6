import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import project_onto, project_packed
from torch import Tensor
from torch.nn import functional as F


def randoms(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("with_bias", [False, True])
def test_one_product_is_the_three(with_bias: bool) -> None:
    tokens, *parameters = randoms((4, 3, 8), *3 * [(6, 8)], *3 * [(6,)])
    weights, biases = parameters[:3], parameters[3:] if with_bias else None
    found = project_packed(tokens, weights, biases)
    expected = [F.linear(tokens, weights[i], biases[i] if biases else None) for i in range(3)]
    torch.testing.assert_close(found, torch.cat(expected, dim=-1))
    inputs = [tokens, *weights, *(biases or [])]
    gradients = torch.autograd.grad(found.square().sum(), inputs)
    wanted = torch.autograd.grad(sum(part.square().sum() for part in expected), inputs)
    torch.testing.assert_close(gradients, wanted)


@pytest.mark.parametrize("with_bias", [False, True])
def test_onto_the_residual(with_bias: bool) -> None:
    residual, attended, weight, bias = randoms((4, 3, 6), (4, 3, 8), (6, 8), (6,))
    inputs = (residual, attended, weight, *([bias] if with_bias else []))
    before = residual.detach().clone()
    found = project_onto(*inputs)
    torch.testing.assert_close(found, residual + F.linear(attended, weight, bias if with_bias else None))
    assert torch.equal(residual, before)
    assert torch.autograd.gradcheck(project_onto, inputs)
    compiled = torch.compile(project_onto, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs), found)


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_residual_keeps_its_dtype_under_autocast(with_bias: bool) -> None:
    residual, attended, weight, bias = randoms((4, 3, 6), (4, 3, 8), (6, 8), (6,), dtype=torch.float32)
    inputs = (attended, weight, *([bias] if with_bias else []))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wide = project_onto(residual, *inputs)
        found = project_onto(residual.bfloat16(), *inputs)
    assert torch.equal(wide, project_onto(residual, *inputs))
    assert torch.equal(found, project_onto(*(x.bfloat16() for x in (residual, *inputs))))


@pytest.mark.parametrize("memory", ["a slice", "expanded"])
def test_a_residual_of_any_strides(memory: str) -> None:
    residual, attended, weight = randoms((4, 3, 12), (4, 3, 8), (6, 8))
    residual = residual[..., 6:] if memory == "a slice" else residual[:, :1, :6].expand(4, 3, 6)
    torch.testing.assert_close(project_onto(residual, attended, weight), residual + F.linear(attended, weight))
