"""The Triton kernels, interpreted on a CPU, against the sum and its norm in float64: run by ../test_interpreted.py."""

from collections.abc import Callable

import pytest
import torch
from exvideo_blocks.kernels.add_layer_norm import plan, reference
from exvideo_blocks.kernels.add_layer_norm.library import add_layer_norm_op, runs_kernels
from torch import Tensor

pytestmark = pytest.mark.usefixtures("poisoned")

NAMES = ("total", "normed", "by tokens", "by added", "by weight", "by bias")
ROWS, RESIDUAL = "a row a frame", "a residual"


def random_tensors(
    added: str, num_frames: int, positions: int, channels: int, dtype: torch.dtype = torch.float32, batch: int = 1
) -> list[Tensor]:
    """tokens, added, weight, bias, and gradients by the sum and by its norm."""
    generator = torch.Generator().manual_seed(channels)
    shape, rows = (batch * num_frames, positions, channels), (num_frames, channels)
    shapes = (shape, rows if added == ROWS else shape, (channels,), (channels,), shape, shape)
    return [torch.randn(s, generator=generator).to(dtype) for s in shapes]


def kernels(*inputs: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    assert runs_kernels(inputs[0])
    return add_layer_norm_op(*inputs, eps)


def pytorch(*inputs: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    return reference.add_layer_norm(*inputs, eps)


def computed(compute: Callable[..., tuple[Tensor, Tensor]], tensors: list[Tensor], **options: float) -> list[Tensor]:
    """Both outputs, and the gradients by the four inputs."""
    *inputs, by_total, by_normed = tensors
    inputs = [x.detach().requires_grad_() for x in inputs]
    outputs = compute(*inputs, **options)
    return [*(x.detach() for x in outputs), *torch.autograd.grad(outputs, inputs, (by_total, by_normed))]


def assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    for name, a, b in zip(NAMES, found, expected, strict=True):
        assert torch.equal(a, b), name


@pytest.fixture
def assert_as_exact_as_pytorch(assert_as_exact: Callable[..., None]) -> Callable[..., None]:
    def check(tensors: list[Tensor], **options: float) -> None:
        true = computed(pytorch, [x.double() for x in tensors], **options)
        assert_as_exact(NAMES, true, computed(pytorch, tensors, **options), computed(kernels, tensors, **options))

    return check


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("channels", [5, 16, 40, 320, 1000, 1280, 2048, 3000])
def test_as_exact_as_pytorch(
    assert_as_exact_as_pytorch: Callable[..., None], channels: int, dtype: torch.dtype, added: str
) -> None:
    positions = 37 if channels < 500 else 3
    assert_as_exact_as_pytorch(random_tensors(added, 3, positions, channels, dtype, batch=2))


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_as_exact_with_means_far_from_zero(
    assert_as_exact_as_pytorch: Callable[..., None], dtype: torch.dtype, added: str
) -> None:
    tokens, *others = random_tensors(added, 2, 5, 320, dtype)
    assert_as_exact_as_pytorch([tokens + 30, *others], eps=1e-3)


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
def test_rows_in_several_chunks(
    assert_as_exact_as_pytorch: Callable[..., None], added: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PROGRAMS", 12)
    monkeypatch.setattr(plan, "FEWEST_ROWS", 3)
    tensors = random_tensors(added, 3, 101, 320)
    assert plan.chunks_of(3, 101, plan.tile_of(320)) == (4, 8)  # the last one of 5 rows
    assert_as_exact_as_pytorch(tensors)


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
def test_wherever_it_lies(added: str) -> None:
    """Slices of something wider, channels that are not adjacent, expanded gradients."""
    tensors = random_tensors(added, 2, 3, 24, batch=2)
    expected = computed(kernels, tensors)
    wider = [torch.cat([x, x], dim=-1)[..., 24:] for x in tensors]
    assert not wider[0].is_contiguous()
    assert_equal(computed(kernels, wider), expected)
    apart = [torch.stack([x, x], dim=-1)[..., 0] for x in tensors]
    assert apart[0].stride(-1) == apart[2].stride(-1) == 2
    assert_equal(computed(kernels, apart), expected)
    turned = [x.transpose(0, 1).contiguous().transpose(0, 1) if x.dim() == 3 else x for x in tensors]
    assert not turned[0].is_contiguous()
    assert_equal(computed(kernels, turned), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 24), (4, 1, 24), (4, 3, 1)])
def test_expanded_gradients(shape: tuple[int, int, int]) -> None:
    *inputs, like, _ = random_tensors(ROWS, 2, 3, 24, batch=2)
    one, other = (torch.randn(shape, generator=torch.Generator().manual_seed(i)).expand(like.shape) for i in (1, 2))
    found = computed(kernels, [*inputs, one, other])
    assert_equal(found, computed(kernels, [*inputs, one.contiguous(), other.contiguous()]))


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
@pytest.mark.parametrize(("num_frames", "positions"), [(2, 0), (0, 3)])
def test_no_rows_have_gradients_of_zero(num_frames: int, positions: int, added: str) -> None:
    tensors = random_tensors(added, num_frames, positions, 24)
    if added == ROWS:
        tensors[1] = torch.randn(2, 24)
    found = computed(kernels, tensors)
    assert [x.shape for x in found] == [x.shape for x in (tensors[0], *tensors[:1], *tensors[:4])]
    assert all(not x.any() for x in found[3:])


@pytest.mark.parametrize("added", [ROWS, RESIDUAL])
def test_a_clip_is_alone_in_its_batch(added: str) -> None:
    tensors = random_tensors(added, 3, 2, 24, batch=2)
    both = computed(kernels, tensors)
    for rows in (slice(0, 3), slice(3, None)):
        one = [x[rows] if x.dim() == 3 else x for x in tensors]
        for whole, part in zip(both[:3], computed(kernels, one)[:3], strict=True):
            assert torch.equal(whole[rows], part)


def test_one_row_for_all_frames_and_a_row_for_each_of_a_batch() -> None:
    tensors = random_tensors(RESIDUAL, 6, 2, 24)
    for rows in (1, 6):
        tensors[1] = torch.randn(rows, 24, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(computed(kernels, tensors), computed(pytorch, tensors))


def test_weights_wider_than_tokens() -> None:
    tokens, added, weight, bias, *gradients = random_tensors(ROWS, 2, 3, 24)
    halves = [x.half() for x in (tokens, added, *gradients)]
    tensors = [*halves[:2], weight, bias, *halves[2:]]
    found = computed(kernels, tensors)
    assert [x.dtype for x in found] == 4 * [torch.float16] + 2 * [torch.float32]
    torch.testing.assert_close(found, computed(pytorch, tensors), rtol=2e-3, atol=2e-3)
