"""The command for the first minutes on a GPU: it says what passed, what did not, and what was not run."""

import sys
from pathlib import Path

import pytest
import torch
from exvideo_eval import Metric, Result

from benchmarks.conditions import Conditions
from benchmarks.gpu import SECONDS, Step, finish, main, run_all, steps
from benchmarks.unet import true_size


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_each_step_is_told_for_what_came_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conditions = Conditions("cpu", "fp32", threads=1, rounds=1)
    figure = (Metric("a time", 1.5, "s", "lower"),)
    Result.measured_here(kind="unet", name="figures", protocol=conditions.protocol(), metrics=figure).save(
        tmp_path / "figures.json"
    )
    todo = [
        Step("measures", python("print('measured')"), 30, ("figures.json",)),
        Step("breaks", python("import sys; print('because of this'); sys.exit(3)"), 30),
        Step("hangs", python("import time; print('begun', flush=True); time.sleep(60)"), 2),
        Step("is last", python(""), 60),
    ]
    outcomes = run_all(todo[:3], seconds=60) + run_all(todo[3:], seconds=1)
    assert [outcome.state for outcome in outcomes[:2]] == ["passed", "failed"]
    assert outcomes[2].state == "stopped at its limit of 2 s"
    assert outcomes[2].seconds < 20
    assert outcomes[3].state == "not started"
    assert finish(outcomes, tmp_path, "cpu") == 1
    page = (tmp_path / "report.md").read_text()
    for line in ("| breaks | failed |", "because of this", "a time", "not started", "nothing of it says how a GPU"):
        assert line in page
    result = Result.load(tmp_path / "gpu.json")
    assert [result.metric(f"{step.name}: passed").value for step in todo] == [1, 0, 0, 0]  # type: ignore[union-attr]
    assert "hangs: stopped at its limit of 2 s" in result.notes
    assert finish(outcomes[:1], tmp_path, "cpu") == 0


def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["--output", str(tmp_path)]) == 2
    assert "PyTorch finds no GPU here: give --device cpu" in capsys.readouterr().err


def test_what_is_most_wanted_comes_first(tmp_path: Path) -> None:
    names = [step.name for step in steps(tmp_path, "cuda")]
    assert names == [
        "tests on a GPU",
        "temporal attention",
        "UNet of true size",
        "a LoRA of Wan, against peft",
        "a trainer, killed and resumed",
        "the sampler, with offload",
    ]
    assert SECONDS < 8 * 60


@pytest.mark.long
def test_the_unet_s_figures_at_small_size() -> None:
    result = true_size.measure(Conditions("cpu", "fp32", threads=1, rounds=1), [5])
    names = {metric.name for metric in result.metrics}
    for name in ("forward", "step, checkpointed", "forward, compiled by block", "compiling by block"):
        assert f"5 frames: {name}" in names
    shares = [metric.value for metric in result.metrics if "share of" in metric.name]
    assert sum(shares) == pytest.approx(1)
    assert "blocks compiled, " in result.notes[0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sm90_xmma_gemm_bf16", "products"),
        ("aten::convolution", "products"),
        ("void at::native::RowwiseMomentsCUDAKernel", "norms"),
        ("whole_row_forward", "attention"),
        ("void cudnn::ops::nchwToNhwcKernel", "copies"),
        ("vectorized_elementwise_kernel", "elementwise and others"),
    ],
)
def test_kinds_of_work_by_name(name: str, kind: str) -> None:
    assert true_size.kind_of(name) == kind


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_of_it_on_a_cpu_at_small_size(tmp_path: Path) -> None:
    status = main(["--device", "cpu", "--output", str(tmp_path), "--seconds", "1500"])
    result = Result.load(tmp_path / "gpu.json")
    passed = {
        step.name: result.metric(f"{step.name}: passed").value  # type: ignore[union-attr]
        for step in steps(tmp_path, "cpu")
    }
    assert passed.pop("tests on a GPU") in (0, 1)  # they skip without one, which pytest may take for no tests
    assert set(passed.values()) == {1.0}, (tmp_path / "report.md").read_text()
    assert status in (0, 1)
