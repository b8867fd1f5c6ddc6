"""On a GPU: bfloat16, which Triton's interpreter computes wrongly, and more rows than 32 bits can address."""

from collections.abc import Callable

import pytest
import torch
from exvideo_blocks.kernels.add_layer_norm import add_layer_norm
from torch import Tensor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

NAMES = ("total", "normed", "by tokens", "by added", "by weight", "by bias")
ADDED = [(5, 0), (10, 77)]  # a row for each of 5 frames, a residual: frames and positions


def random_tensors(added: tuple[int, int], channels: int, dtype: torch.dtype, positions: int = 77) -> list[Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    shape, frames_added = (10, positions, channels), (added[0], *([positions] if added[1] else []), channels)
    shapes = (shape, frames_added, (channels,), (channels,), shape, shape)
    return [torch.randn(s, device="cuda", generator=generator).to(dtype) for s in shapes]


def computed(backend: str, tensors: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    *inputs, by_total, by_normed = (x.detach().to(dtype) for x in tensors)
    inputs = [x.requires_grad_() for x in inputs]
    outputs = add_layer_norm(*inputs, backend=backend)
    return [*(x.detach() for x in outputs), *torch.autograd.grad(outputs, inputs, (by_total, by_normed))]


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 5, 40, 320, 640, 1000, 1280, 2048, 3000, 8192])
def test_as_exact_as_pytorch(
    assert_as_exact: Callable[..., None], channels: int, dtype: torch.dtype, added: tuple[int, int]
) -> None:
    tensors = random_tensors(added, channels, dtype)
    true = computed("torch", tensors, torch.float64)
    theirs, ours = (computed(backend, tensors, dtype) for backend in ("torch", "triton"))
    assert_as_exact(NAMES, true, theirs, ours, slack=1e-9)


@pytest.mark.parametrize("added", ADDED)
def test_the_same_inputs_give_the_same_bits(added: tuple[int, int]) -> None:
    tensors = random_tensors(added, 320, torch.bfloat16, positions=1001)
    first, second = (computed("triton", tensors, torch.bfloat16) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_offsets_beyond_32_bits() -> None:
    positions = 2**31 // (8 * 64) + 1000  # numbers in a tensor: more than 2^31
    if torch.cuda.mem_get_info()[0] < 4 * 2 * 8 * positions * 64:
        pytest.skip("not enough free memory for three tensors of 4 GiB")
    tokens = torch.randn(8, positions, 64, device="cuda", dtype=torch.float16)
    added, weight, bias = (torch.randn(*shape, 64, device="cuda", dtype=torch.float16) for shape in ((8,), (), ()))
    found = [x[-1, -100:] for x in add_layer_norm(tokens, added, weight, bias, backend="triton")]
    expected = add_layer_norm(tokens[-1:, -100:], added[-1:], weight, bias, backend="torch")
    torch.testing.assert_close(found, [x[0] for x in expected], rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("added", ADDED)
def test_compiled_by_inductor(added: tuple[int, int]) -> None:
    inputs = random_tensors(added, 320, torch.bfloat16)[:4]
    compiled = torch.compile(add_layer_norm, fullgraph=True)(*inputs, backend="triton")
    assert all(torch.equal(a, b) for a, b in zip(compiled, add_layer_norm(*inputs, backend="triton"), strict=True))
