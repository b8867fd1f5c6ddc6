import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from exvideo_blocks.kernels import triton_support
from exvideo_blocks.kernels.probing import BackendError
from exvideo_blocks.kernels.temporal_attention import backends, reference, temporal_attention
from exvideo_blocks.kernels.temporal_attention.backends import choose
from torch import Tensor

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _forget_choices() -> Iterator[None]:
    choose.cache_clear()
    yield
    choose.cache_clear()


@pytest.fixture
def probed_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is called cuda and computes like this CPU, with Triton's kernels replaced by PyTorch's."""
    real = backends._try
    monkeypatch.setattr(backends, "_try", lambda attend, device, *case: real(attend, CPU, *case))
    monkeypatch.setattr(triton_support, "triton_is_installed", lambda: True)
    monkeypatch.setitem(backends.ATTEND, "triton", reference.attend)


def wrong(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
    return 1.1 * reference.attend(query, key, value, num_frames, num_heads)


def broken(*_: object) -> Tensor:
    raise RuntimeError("out of resource: shared memory.\nand more")


def test_an_unknown_backend_is_refused() -> None:
    x = torch.randn(5, 3, 32)
    with pytest.raises(ValueError, match="backend='flash' is not known: give one of auto, triton, sdpa, xformers"):
        temporal_attention(x, x, x, num_frames=5, num_heads=2, backend="flash")  # type: ignore[arg-type]


def test_triton_on_a_cpu_is_an_error_that_names_why() -> None:
    x = torch.randn(5, 3, 32)
    with pytest.raises(
        BackendError, match=r"cannot run temporal attention on cpu, float32.*(need a GPU|not installed)"
    ):
        temporal_attention(x, x, x, num_frames=5, num_heads=2, backend="triton")


def test_xformers_that_is_missing_is_an_error_that_names_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xformers", None)
    monkeypatch.setitem(sys.modules, "xformers.ops", None)
    with pytest.raises(BackendError, match=r"The backend xformers cannot run .* ModuleNotFoundError: .*: give auto"):
        choose("xformers", CPU, torch.float32, 32, 16)


def test_xformers_gets_the_tokens_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library with its layout, (batch, length, heads, head_dim)."""

    def memory_efficient_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        assert q.data_ptr() == x.data_ptr() or q.shape[0] == 1  # the tokens, or the probe's
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).contiguous()

    x = torch.randn(10, 3, 32)
    monkeypatch.setitem(sys.modules, "xformers", SimpleNamespace())
    stand_in = SimpleNamespace(memory_efficient_attention=memory_efficient_attention)
    monkeypatch.setitem(sys.modules, "xformers.ops", stand_in)
    found = temporal_attention(x, x, x, num_frames=5, num_heads=2, backend="xformers")
    torch.testing.assert_close(found, reference.attend(x, x, x, 5, 2))
    many = torch.empty(1, 40_000, 32)
    with pytest.raises(BackendError, match="80000 heads and positions a clip are more than the 65535"):
        temporal_attention(many, many, many, num_frames=1, num_heads=2, backend="xformers")


@pytest.mark.usefixtures("probed_on_cpu")
def test_auto_takes_triton_where_it_runs_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [choose("auto", CUDA, torch.bfloat16, 32, 64) for _ in range(3)] == 3 * ["triton"]
    assert [record.getMessage() for record in caplog.records] == [
        "temporal attention: triton for cuda:0, bfloat16, up to 32 frames, head_dim 64"
    ]


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(
    ("attend", "why"),
    [(broken, "RuntimeError: out of resource: shared memory"), (wrong, "RuntimeError: it computes something else")],
)
def test_auto_takes_sdpa_where_triton_fails_and_says_why(
    attend: backends.Attend, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(backends.ATTEND, "triton", attend)
    assert choose("auto", CUDA, torch.float16, 256, 64) == "sdpa"
    assert f", as triton cannot run: {why}" in caplog.text
    with pytest.raises(BackendError, match=why):
        choose("triton", CUDA, torch.float16, 256, 64)


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(("dtype", "head_dim"), [(torch.float64, 64), (torch.float16, 8), (torch.float16, 160)])
def test_auto_takes_sdpa_beyond_what_the_kernels_take(dtype: torch.dtype, head_dim: int) -> None:
    assert choose("auto", CUDA, dtype, 32, head_dim) == "sdpa"


def test_auto_takes_sdpa_where_triton_is_absent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(triton_support, "triton_is_installed", lambda: False)
    assert choose("auto", CUDA, torch.bfloat16, 32, 64) == "sdpa"
    assert "triton is not installed (pip install 'exvideo-blocks[triton]'" in caplog.text


@pytest.mark.usefixtures("probed_on_cpu")
def test_the_mode_of_the_first_call_decides_nothing() -> None:
    modes = [torch.inference_mode(), torch.no_grad(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16)]
    for head_dim, mode in enumerate(modes, start=16):
        with mode:
            assert choose("auto", CUDA, torch.float32, 32, head_dim) == "triton"


@pytest.mark.usefixtures("probed_on_cpu")
def test_full_memory_is_said_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setitem(backends.ATTEND, "triton", full)
    with pytest.raises(torch.OutOfMemoryError):
        choose("auto", CUDA, torch.float16, 32, 64)
    monkeypatch.setitem(backends.ATTEND, "triton", reference.attend)
    assert choose("auto", CUDA, torch.float16, 32, 64) == "triton"


def test_auto_on_a_cpu_is_sdpa_and_tries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_try", lambda *_: pytest.fail("something was tried"))
    x = torch.randn(5, 3, 32)
    assert torch.equal(temporal_attention(x, x, x, num_frames=5, num_heads=2), reference.attend(x, x, x, 5, 2))
