"""The Triton kernels, interpreted on a CPU, against attention in float64: run by ../test_interpreted.py."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks.kernels.temporal_attention import reference
from exvideo_blocks.kernels.temporal_attention.plan import plan_for
from exvideo_blocks.kernels.temporal_attention.register import temporal_attention_op
from exvideo_blocks.kernels.triton_support import multiprocessors, runs_triton
from torch import Tensor

Tensors = tuple[Tensor, ...]


pytestmark = pytest.mark.usefixtures("poisoned")


def random_inputs(num_frames: int, positions: int, channels: int, dtype: torch.dtype, batch: int = 1) -> Tensors:
    generator = torch.Generator().manual_seed(num_frames)
    shape = (batch * num_frames, positions, channels)
    return tuple(torch.randn(shape, generator=generator).to(dtype) for _ in range(4))


def kernels(q: Tensor, k: Tensor, v: Tensor, num_frames: int, num_heads: int) -> Tensor:
    assert runs_triton(q)
    return temporal_attention_op(q, k, v, num_frames, num_heads)[0]


def attended(
    attend: Callable[..., Tensor], tensors: Tensors, num_frames: int, num_heads: int, dtype: torch.dtype
) -> Tensors:
    """Output and the gradients by q, k, v of an implementation, in a dtype, from q, k, v and the output's gradient."""
    q, k, v, gradient = tensors
    inputs = [x.detach().to(dtype).requires_grad_() for x in (q, k, v)]
    out = attend(*inputs, num_frames, num_heads)
    return out.detach(), *torch.autograd.grad(out, inputs, gradient.to(dtype))


@pytest.fixture
def assert_as_exact_as_pytorch(assert_as_exact: Callable[..., None]) -> Callable[[Tensors, int, int], None]:
    """Output and gradients of the kernels, given inputs, num_frames and num_heads."""

    def check(tensors: Tensors, num_frames: int, num_heads: int) -> None:
        dtype = tensors[0].dtype
        true = attended(reference.attend, tensors, num_frames, num_heads, torch.float64)
        theirs = attended(reference.attend, tensors, num_frames, num_heads, dtype)
        ours = attended(kernels, tensors, num_frames, num_heads, dtype)
        assert_as_exact(("out", "dq", "dk", "dv"), true, theirs, ours)

    return check


def weekly(*values: Any) -> Any:
    """A case of those that are looked at by `make test-long` alone."""
    return pytest.param(*values, marks=pytest.mark.long)


DTYPES = [torch.float16, weekly(torch.float32)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("num_frames", [1, weekly(2), 3, weekly(7), 25, 33, weekly(64), 100])
def test_as_exact_as_pytorch(
    assert_as_exact_as_pytorch: Callable[..., None], num_frames: int, dtype: torch.dtype
) -> None:
    heads = 2 if num_frames < 100 else 1
    assert_as_exact_as_pytorch(random_inputs(num_frames, 3, heads * 16, dtype), num_frames, heads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_as_exact_as_pytorch_beyond_one_program(
    assert_as_exact_as_pytorch: Callable[..., None], dtype: torch.dtype
) -> None:
    assert_as_exact_as_pytorch(random_inputs(300, 1, 32, dtype), 300, num_heads=2)


@pytest.mark.parametrize("num_frames", [weekly(129), 200, weekly(256)])
def test_as_exact_as_pytorch_in_the_longest_whole_row(
    assert_as_exact_as_pytorch: Callable[..., None], num_frames: int
) -> None:
    plan = plan_for(num_frames, 16, torch.float16)
    assert plan.whole_row
    assert plan.turned
    assert plan.forward.block_m < plan.forward.block_n  # a unit is computed by two tiles of queries
    assert_as_exact_as_pytorch(random_inputs(num_frames, 1, 16, torch.float16), num_frames, num_heads=1)


@pytest.mark.parametrize(
    ("num_frames", "head_dim"), [(7, 16), *(weekly(frames, 16) for frames in (50, 100, 128)), (140, 16), (70, 80)]
)
def test_as_exact_as_pytorch_with_the_tiles_of_gpus_without_warpgroups(
    assert_as_exact_as_pytorch: Callable[..., None], num_frames: int, head_dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("triton", "register"):
        name = f"exvideo_blocks.kernels.temporal_attention.{module}.has_warpgroups"
        monkeypatch.setattr(name, lambda device: False)
    assert_as_exact_as_pytorch(random_inputs(num_frames, 3, head_dim, torch.float16), num_frames, num_heads=1)


@pytest.mark.parametrize("num_frames", [25, weekly(64), weekly(128)])
def test_programs_go_on_from_unit_to_unit(assert_as_exact_as_pytorch: Callable[..., None], num_frames: int) -> None:
    assert plan_for(num_frames, 16, torch.float16).forward.programs * multiprocessors(torch.device("cpu")) < 20
    positions = 45 if num_frames == 25 else 22
    assert_as_exact_as_pytorch(random_inputs(num_frames, positions, 16, torch.float16), num_frames, num_heads=1)


@pytest.mark.parametrize(
    ("head_dim", "dtype"),
    [
        (24, torch.float32),
        (80, torch.float16),
        *(weekly(dim, dtype) for dim in (40, 128) for dtype in (torch.float32, torch.float16)),
        weekly(24, torch.float16),
        weekly(80, torch.float32),
    ],
)
def test_any_head_dim(assert_as_exact_as_pytorch: Callable[..., None], head_dim: int, dtype: torch.dtype) -> None:
    # Six clips: the largest error of fewer numbers is a matter of luck, that changes with the processor.
    assert_as_exact_as_pytorch(random_inputs(7, 3, 3 * head_dim, dtype, batch=6), 7, num_heads=3)


@pytest.mark.parametrize("num_frames", [7, 70])
def test_large_scores_neither_overflow_nor_vanish(num_frames: int) -> None:
    q, k, v, gradient = random_inputs(num_frames, 1, 32, torch.float32)
    tensors = (60 * q, 60 * k, v, gradient)
    true = attended(reference.attend, tensors, num_frames, 2, torch.float64)
    found = attended(kernels, tensors, num_frames, 2, torch.float32)
    assert all(x.isfinite().all() for x in found)
    for exact, our in ((true[0], found[0]), (true[3], found[3])):  # dq and dk are next to nothing here
        # Scores reach thousands, and what is lost of a score is lost of its exponential.
        assert (our - exact).abs().max() <= 2e-3 * exact.abs().max()


@pytest.mark.parametrize(("num_frames", "positions"), [(5, 3), (40, 1)])
def test_packed_projections_are_read_where_they_lie(num_frames: int, positions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    packed = torch.randn(num_frames, positions, 3 * 32, generator=generator)
    q, k, v = packed.chunk(3, dim=-1)
    gradient = torch.randn(num_frames, positions, 64, generator=generator)[:, :, 32:]
    assert not any(x.is_contiguous() for x in (q, k, v, gradient))
    found = attended(kernels, (q, k, v, gradient), num_frames, 2, torch.float32)
    copies = tuple(x.contiguous() for x in (q, k, v, gradient))
    expected = attended(kernels, copies, num_frames, 2, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 32), (5, 1, 32), (5, 3, 1), (40, 1, 1)])
def test_expanded_gradients(shape: tuple[int, int, int]) -> None:
    num_frames, positions = (40, 1) if shape[0] == 40 else (5, 3)
    q, k, v, like = random_inputs(num_frames, positions, 32, torch.float32)
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1)).expand(like.shape)
    found = attended(kernels, (q, k, v, gradient), num_frames, 2, torch.float32)
    expected = attended(kernels, (q, k, v, gradient.contiguous()), num_frames, 2, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_inputs_in_any_order_of_memory() -> None:
    tensors = random_inputs(5, 3, 32, torch.float32)
    strided = tuple(x.permute(2, 1, 0).contiguous().permute(2, 1, 0) for x in tensors)
    assert strided[0].stride(-1) != 1
    found, expected = (attended(kernels, x, 5, 2, torch.float32) for x in (strided, tensors))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_nothing_to_attend_to_is_nothing() -> None:
    q, k, v, gradient = random_inputs(5, 0, 32, torch.float32)
    assert [x.shape for x in attended(kernels, (q, k, v, gradient), 5, 2, torch.float32)] == 4 * [(5, 0, 32)]


@pytest.mark.parametrize(("num_frames", "positions"), [(9, 3), (40, 1)])
def test_a_clip_is_alone_in_its_batch(num_frames: int, positions: int) -> None:
    q, k, v, gradient = random_inputs(num_frames, positions, 32, torch.float32, batch=2)
    both = attended(kernels, (q, k, v, gradient), num_frames, 2, torch.float32)
    for rows in (slice(0, num_frames), slice(num_frames, None)):
        one = attended(kernels, tuple(x[rows] for x in (q, k, v, gradient)), num_frames, 2, torch.float32)
        for whole, part in zip(both, one, strict=True):
            torch.testing.assert_close(whole[rows], part, rtol=0, atol=2e-6)
