import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_blocks.kernels import choose as choosing
from exvideo_blocks.kernels import triton_support
from exvideo_blocks.kernels.choose import TABLE, TABLE_FORMAT, TABLE_VARIABLE, BackendError, Case, forget, ranking
from exvideo_blocks.kernels.temporal_attention import op, reference, temporal_attention
from exvideo_blocks.kernels.temporal_attention.plan import probed_length
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _forget_choices() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The backends by name, to be replaced by others."""
    for name, attend in op.OPERATOR.backends.items():
        monkeypatch.setitem(op.OPERATOR.backends, name, attend)
    return op.OPERATOR.backends  # type: ignore[return-value]


@pytest.fixture
def probed_on_cpu(monkeypatch: pytest.MonkeyPatch, backends: dict[str, Any]) -> None:
    """A device that is called cuda and computes like this CPU, with Triton's kernels replaced by PyTorch's."""

    def probe(attend: Callable[..., Tensor], case: Case) -> None:
        op._probe(attend, Case(CPU, case.dtype, case.num_frames, case.head_dim, case.training))

    probed = choosing.Operator("temporal attention", backends, op._obstacle, probe, op._expected, probed_length)
    monkeypatch.setattr(op, "OPERATOR", probed)
    monkeypatch.setattr(triton_support, "triton_is_installed", lambda: True)
    monkeypatch.setattr(choosing, "device_class", lambda device: "sm_90")
    backends["triton"] = reference.attend


def choose(
    backend: str, device: torch.device, dtype: torch.dtype, num_frames: int, head_dim: int, training: bool = False
) -> str:
    return choosing.choose(op.OPERATOR, backend, Case(device, dtype, num_frames, head_dim, training))


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
def test_where_nobody_has_measured_auto_takes_what_should_be_fastest_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert [choose("auto", CUDA, torch.bfloat16, 32, 64) for _ in range(3)] == 3 * ["triton"]
    assert choose("auto", CUDA, torch.bfloat16, 512, 64) == "sdpa"
    assert choose("auto", CUDA, torch.float32, 32, 64) == "sdpa"
    said = [(record.levelname, record.getMessage().partition(" (")[0]) for record in caplog.records]
    unmeasured = "temporal attention: nobody has measured backends on sm_90 in bfloat16: taking what should be fastest"
    assert said[:2] == [
        ("WARNING", unmeasured),
        ("INFO", "temporal attention: triton for cuda:0, bfloat16, up to 32 frames, head_dim 64"),
    ]


def table(path: Path, **milliseconds: float) -> None:
    row = {"device": "sm_90", "dtype": "float16", "head_dim": 64, "frames": 128, "direction": "training"}
    others = [row | {"frames": 25}, row | {"direction": "forward"}, row | {"dtype": "bfloat16"}, row | {"head_dim": 40}]
    rows = [other | {"milliseconds": {"sdpa": 1.0}} for other in (*others, row | {"device": "sm_80"})]
    rows += [row | {"frames": frames, "milliseconds": milliseconds} for frames in (100, 128)]
    path.write_text(json.dumps({"format": TABLE_FORMAT, "rows": rows}))


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(("triton", "sdpa", "fastest"), [(1.0, 2.0, "triton"), (2.0, 1.0, "sdpa")])
def test_auto_takes_what_was_fastest(
    triton: float, sdpa: float, fastest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    table(tmp_path / "table.json", triton=triton, sdpa=sdpa, something_else=0.1)
    monkeypatch.setenv(TABLE_VARIABLE, str(tmp_path / "table.json"))
    assert choose("auto", CUDA, torch.float16, 128, 64, training=True) == fastest
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert ranking(op.OPERATOR, Case(CUDA, torch.float16, 256, 64, True)) == []
    assert ranking(op.OPERATOR, Case(CUDA, torch.float16, 32, 64, True)) == ["sdpa"]


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize("frames", [1, 8, 32, 33, 256, 257, 512, 1000])
def test_a_row_of_the_table_holds_for_all_lengths_of_its_class(
    frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"device": "sm_90", "dtype": "float16", "head_dim": 64, "frames": frames, "direction": "forward"}
    content = {"format": TABLE_FORMAT, "rows": [row | {"milliseconds": {"sdpa": 1.0}}]}
    (tmp_path / "table.json").write_text(json.dumps(content))
    monkeypatch.setenv(TABLE_VARIABLE, str(tmp_path / "table.json"))
    for length in (32, 64, 128, 256, 512):
        ranked = ranking(op.OPERATOR, Case(CUDA, torch.float16, length, 64, False))
        assert ranked == (["sdpa"] if length == probed_length(frames) else [])


@pytest.mark.usefixtures("probed_on_cpu")
def test_the_next_fastest_stands_in_for_what_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backends: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    table(tmp_path / "table.json", xformers=1.0, triton=2.0, sdpa=3.0)
    monkeypatch.setenv(TABLE_VARIABLE, str(tmp_path / "table.json"))
    backends["xformers"] = broken
    assert choose("auto", CUDA, torch.float16, 128, 64, training=True) == "triton"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "not xformers for cuda:0, float16, up to 128 frames, head_dim 64, as it cannot run: RuntimeError" in warning


def test_the_table_that_ships_can_be_read() -> None:
    assert json.loads(TABLE.read_text())["format"] == TABLE_FORMAT
    assert isinstance(choosing._table(None), list)


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize("content", ["", "[]", '{"format": "another", "rows": []}', f'{{"format": "{TABLE_FORMAT}"}}'])
def test_a_table_that_cannot_be_read_is_named(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.json").write_text(content)
    monkeypatch.setenv(TABLE_VARIABLE, str(tmp_path / "table.json"))
    with pytest.raises(ValueError, match=r"table\.json is no table of measurements .*: write one by `python -m bench"):
        choose("auto", CUDA, torch.float16, 128, 64)


@pytest.mark.usefixtures("probed_on_cpu")
def test_under_capture_nothing_is_tried_and_nothing_is_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choosing, "_is_capturing", lambda: True)
    assert choose("auto", CUDA, torch.float16, 128, 64) == "sdpa"
    assert choose("triton", CUDA, torch.float16, 128, 64) == "triton"
    assert "cannot be tried while a CUDA graph is captured: run it once before" in caplog.text
    monkeypatch.setattr(choosing, "_is_capturing", lambda: False)
    assert choose("auto", CUDA, torch.float16, 128, 64) == "triton"
    monkeypatch.setattr(choosing, "_is_capturing", lambda: True)
    assert choose("auto", CUDA, torch.float16, 128, 64) == "triton"


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(
    ("attend", "why"),
    [(broken, "RuntimeError: out of resource: shared memory"), (wrong, "RuntimeError: it computes something else")],
)
def test_auto_takes_sdpa_where_triton_fails_and_warns_why(
    attend: Callable[..., Tensor], why: str, backends: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    backends["triton"] = attend
    assert choose("auto", CUDA, torch.float16, 256, 64) == "sdpa"
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    found = f"not triton for cuda:0, float16, up to 256 frames, head_dim 64, as it cannot run: {why}"
    assert any(found in message for message in warned)
    with pytest.raises(BackendError, match=why):
        choose("triton", CUDA, torch.float16, 256, 64)


@pytest.mark.usefixtures("probed_on_cpu")
@pytest.mark.parametrize(("dtype", "head_dim"), [(torch.float64, 64), (torch.float16, 8), (torch.float16, 160)])
def test_auto_takes_sdpa_beyond_what_the_kernels_take(dtype: torch.dtype, head_dim: int) -> None:
    assert choose("auto", CUDA, dtype, 32, head_dim) == "sdpa"


def test_auto_takes_sdpa_where_triton_is_absent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(triton_support, "triton_is_installed", lambda: False)
    monkeypatch.setattr(choosing, "device_class", lambda device: "sm_90")
    assert choose("auto", CUDA, torch.bfloat16, 32, 64) == "sdpa"
    assert "triton is not installed (pip install 'exvideo-blocks[triton]'" in caplog.text


@pytest.mark.usefixtures("probed_on_cpu")
def test_the_mode_of_the_first_call_decides_nothing() -> None:
    modes = [torch.inference_mode(), torch.no_grad(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16)]
    for head_dim, mode in enumerate(modes, start=16):
        with mode:
            assert choose("auto", CUDA, torch.float16, 32, head_dim) == "triton"


def test_the_first_call_can_be_a_checkpointed_one(backends: dict[str, Any]) -> None:
    """Nothing that a trial saves for its backward is one of those that the checkpoint counts."""
    backends["xformers"] = reference.attend
    x = torch.randn(10, 3, 32, requires_grad=True)

    def attend(x: Tensor) -> Tensor:
        return temporal_attention(x, x, x, num_frames=5, num_heads=2, backend="xformers") * x

    checkpoint(attend, x, use_reentrant=False).sum().backward()
    forget()
    again = x.detach().clone().requires_grad_()
    attend(again).sum().backward()
    assert x.grad is not None
    assert again.grad is not None
    assert torch.equal(x.grad, again.grad)


@pytest.mark.usefixtures("probed_on_cpu")
def test_full_memory_is_said_and_not_remembered(backends: dict[str, Any]) -> None:
    def full(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    backends["triton"] = full
    with pytest.raises(torch.OutOfMemoryError):
        choose("auto", CUDA, torch.float16, 32, 64)
    backends["triton"] = reference.attend
    assert choose("auto", CUDA, torch.float16, 32, 64) == "triton"


def test_auto_on_a_cpu_is_sdpa_and_tries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "failure", lambda *_: pytest.fail("something was tried"))
    x = torch.randn(5, 3, 32)
    assert torch.equal(temporal_attention(x, x, x, num_frames=5, num_heads=2), reference.attend(x, x, x, 5, 2))
