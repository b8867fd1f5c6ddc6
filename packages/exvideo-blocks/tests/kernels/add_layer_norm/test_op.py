"""Tests for every machine: the reference, the operator on it, the choice of a backend, and the errors."""

import logging
from collections.abc import Iterator

import pytest
import torch
from exvideo_blocks.kernels import triton_support
from exvideo_blocks.kernels.add_layer_norm import add_layer_norm, backends, reference
from exvideo_blocks.kernels.add_layer_norm.backends import BackendError, choose
from exvideo_blocks.kernels.add_layer_norm.library import add_layer_norm_backward_op, add_layer_norm_op, runs_kernels
from torch import Tensor
from torch.nn import functional as F

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
ADDED = [(2, 24), (4, 3, 24)]  # a row a frame, a residual


@pytest.fixture(autouse=True)
def _forget_choices() -> Iterator[None]:
    choose.cache_clear()
    yield
    choose.cache_clear()


def random_inputs(added: tuple[int, ...] = ADDED[0], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 3, 24), added, (24,), (24,))
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_on_a_cpu_it_is_the_bits_of_the_two_steps(dtype: torch.dtype, added: tuple[int, ...]) -> None:
    tokens, rows, weight, bias = random_inputs(added, dtype)
    total = tokens + (rows if rows.dim() == 3 else torch.cat([rows, rows])[:, None])
    expected = (total, F.layer_norm(total, (24,), weight, bias, 1e-5))
    found = add_layer_norm(tokens, rows, weight, bias)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    inputs, by_outputs = (tokens, rows, weight, bias), [torch.randn_like(x) for x in expected]
    by_inputs = [torch.autograd.grad(outputs, inputs, by_outputs) for outputs in (found, expected)]
    assert all(torch.equal(a, b) for a, b in zip(*by_inputs, strict=True))


@pytest.mark.parametrize("added", ADDED)
def test_the_operator_has_the_right_gradients(added: tuple[int, ...]) -> None:
    inputs = random_inputs(added, torch.float64)
    assert not runs_kernels(inputs[0])
    assert torch.autograd.gradcheck(lambda *x: add_layer_norm_op(*x, 1e-5), inputs)


@pytest.mark.parametrize("added", ADDED)
def test_the_operator_keeps_pytorchs_contract(added: tuple[int, ...]) -> None:
    inputs = random_inputs(added, torch.float64)
    torch.library.opcheck(add_layer_norm_op, (*inputs, 1e-5))
    tokens, _, weight, _ = (x.detach() for x in inputs)
    arguments = (torch.randn_like(tokens), torch.randn_like(tokens), tokens, weight, 1e-5, 2 if len(added) == 2 else 0)
    torch.library.opcheck(add_layer_norm_backward_op, arguments)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_weights_may_be_wider(dtype: torch.dtype) -> None:
    tokens, added, weight, bias = random_inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, normed = add_layer_norm(tokens.to(dtype), added.to(dtype), weight, bias)
    assert total.dtype == normed.dtype == dtype
    assert torch.equal(normed, F.layer_norm(total.float(), (24,), weight, bias).to(dtype))


def test_shapes_and_dtypes_that_do_not_fit_are_refused() -> None:
    tokens, added, weight, bias = random_inputs()
    for wrong in (added[:0], torch.randn(3, 24), added[:, :12], torch.randn(1, 3, 24)):
        with pytest.raises(ValueError, match=r"added is of shape .* where tokens are of \(4, 3, 24\): give that shape"):
            add_layer_norm(tokens, wrong, weight, bias)
    with pytest.raises(ValueError, match=r"tokens are of shape \(4, 24\)"):
        add_layer_norm(tokens[:, 0], added, weight, bias)
    with pytest.raises(ValueError, match=r"added is of torch.float64 and tokens are of torch.float32"):
        add_layer_norm(tokens, added.double(), weight, bias)
    with pytest.raises(ValueError, match=r"weight and bias are of shapes \(24,\), \(12,\)"):
        add_layer_norm(tokens, added, weight, bias[:12])
    with pytest.raises(ValueError, match=r"of torch\.float32, torch\.float64"):
        add_layer_norm(tokens, added, weight, bias.double())
    with pytest.raises(ValueError, match="backend='sdpa' is not known: give one of auto, triton, torch"):
        add_layer_norm(tokens, added, weight, bias, backend="sdpa")


def test_triton_on_a_cpu_is_an_error_that_names_why() -> None:
    with pytest.raises(
        BackendError, match=r"cannot run add_layer_norm on cpu, float32, up to 32 .*(need a GPU|not installed)"
    ):
        add_layer_norm(*random_inputs(), backend="triton")


@pytest.fixture
def probed_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is called cuda and computes like this CPU, with Triton's kernels replaced by PyTorch's."""
    real = backends._try
    monkeypatch.setattr(backends, "_try", lambda device, *case: real(CPU, *case))
    monkeypatch.setattr(triton_support, "triton_is_installed", lambda: True)
    monkeypatch.setitem(backends.COMPUTE, "triton", reference.add_layer_norm)


@pytest.mark.usefixtures("probed_on_cpu")
def test_auto_takes_triton_where_it_runs_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [choose("auto", CUDA, torch.bfloat16, 512) for _ in range(3)] == 3 * ["triton"]
    assert [record.getMessage() for record in caplog.records] == [
        "add_layer_norm: triton for cuda:0, bfloat16, up to 512 channels"
    ]


@pytest.mark.usefixtures("probed_on_cpu")
def test_auto_takes_torch_where_triton_is_wrong_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def wrong(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        total, normed = reference.add_layer_norm(*inputs)
        return total, 1.1 * normed

    monkeypatch.setitem(backends.COMPUTE, "triton", wrong)
    assert choose("auto", CUDA, torch.float16, 512) == "torch"
    assert ", as triton cannot run: RuntimeError: it computes something else" in caplog.text
    with pytest.raises(BackendError, match="it computes something else"):
        choose("triton", CUDA, torch.float16, 512)


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(("dtype", "channels"), [(torch.float64, 512), (torch.float16, 16384)])
def test_auto_takes_torch_beyond_what_the_kernels_take(dtype: torch.dtype, channels: int) -> None:
    assert choose("auto", CUDA, dtype, channels) == "torch"
