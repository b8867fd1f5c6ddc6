"""On a GPU: bfloat16, which Triton's interpreter computes wrongly, and more rows than other kernels launch."""

from collections.abc import Callable

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import reference, temporal_attention
from torch import Tensor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

SHAPES = [(num_frames, 64) for num_frames in (1, 2, 3, 7, 25, 33, 64, 100, 128, 200, 256, 300, 512, 1000)]
SHAPES += [(num_frames, head_dim) for num_frames in (25, 100, 300) for head_dim in (16, 40, 80, 128)]


def attended(backend: str, tensors: list[Tensor], num_frames: int, num_heads: int, dtype: torch.dtype) -> list[Tensor]:
    *inputs, gradient = (x.detach().to(dtype) for x in tensors)
    inputs = [x.requires_grad_() for x in inputs]
    out = temporal_attention(*inputs, num_frames=num_frames, num_heads=num_heads, backend=backend)
    return [out.detach(), *torch.autograd.grad(out, inputs, gradient)]


def random_tensors(num_frames: int, positions: int, channels: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    shape = (num_frames, positions, channels)
    return [torch.randn(shape, device="cuda", generator=generator).to(dtype) for _ in range(4)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("num_frames", "head_dim"), SHAPES)
def test_as_exact_as_pytorch(
    assert_as_exact: Callable[..., None], num_frames: int, head_dim: int, dtype: torch.dtype
) -> None:
    tensors = random_tensors(num_frames, 7, 3 * head_dim, dtype)
    true = attended("sdpa", tensors, num_frames, 3, torch.float64)
    theirs = attended("sdpa", tensors, num_frames, 3, dtype)
    ours = attended("triton", tensors, num_frames, 3, dtype)
    assert_as_exact(("out", "dq", "dk", "dv"), true, theirs, ours, slack=1e-9)


@pytest.mark.parametrize(("num_frames", "positions"), [(3, 70_001), (40, 35_003), (300, 7_001)])
def test_more_programs_than_a_grid_axis_holds(num_frames: int, positions: int) -> None:
    """Many rows packed; more than 65,535 programs of a whole row each; and as many that share a row."""
    tensors = random_tensors(num_frames, positions, 32, torch.float16)
    found = attended("triton", tensors, num_frames, 2, torch.float16)
    end = [x[:, -500:] for x in tensors]
    expected = attended("sdpa", end, num_frames, 2, torch.float16)
    for our, their in zip(found, expected, strict=True):
        torch.testing.assert_close(our[:, -500:], their, rtol=1e-2, atol=4e-3)


def test_offsets_beyond_32_bits() -> None:
    positions = 2**31 // (8 * 64) + 1000  # numbers in a tensor: more than 2^31
    if torch.cuda.mem_get_info()[0] < 5 * 2 * 8 * positions * 64:
        pytest.skip("not enough free memory for four tensors of 4 GiB")
    x = torch.randn(8, positions, 64, device="cuda", dtype=torch.float16)
    found = temporal_attention(x, x, x, num_frames=8, num_heads=1, backend="triton")[:, -100:]
    end = x[:, -100:]
    torch.testing.assert_close(found, reference.attend(end, end, end, 8, 1), rtol=1e-3, atol=2e-3)


def test_the_same_inputs_give_the_same_bits() -> None:
    tensors = random_tensors(300, 33, 128, torch.bfloat16)
    first, second = (attended("triton", tensors, 300, 2, torch.bfloat16) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("num_frames", [25, 300])
def test_compiled_by_inductor(num_frames: int) -> None:
    *inputs, _ = random_tensors(num_frames, 7, 64, torch.bfloat16)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return temporal_attention(q, k, v, num_frames=num_frames, num_heads=1, backend="triton")

    assert torch.equal(torch.compile(attend, fullgraph=True)(*inputs), attend(*inputs))
