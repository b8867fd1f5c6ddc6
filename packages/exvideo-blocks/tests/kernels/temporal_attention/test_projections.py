import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import project_packed
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
