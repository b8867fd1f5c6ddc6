"""From options to a file and a table."""

from pathlib import Path

import pytest
import torch
from exvideo_eval import Metric, Result

from benchmarks.__main__ import RESULTS
from benchmarks.agreement import agree
from benchmarks.command_line import as_ratios, as_table, run
from benchmarks.conditions import Conditions, ConditionsError


def measure(conditions: Conditions) -> Result:
    """A benchmark that measures nothing."""
    if conditions.rounds == 13:
        raise ConditionsError("Thirteen rounds are too many.")
    metrics = (Metric("ours", 2.0, "ms", "lower"), Metric("ours / peer", 0.5, "x", "lower"))
    return Result.measured_here(kind="kernel", name="nothing", protocol=conditions.protocol(), metrics=metrics)


def test_a_result_is_written_and_its_table_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", str(tmp_path), "--device", "cpu", "--threads", "1"]
    assert run(measure, "nothing", rounds=5, arguments=arguments) == 0
    result = Result.load(tmp_path / "nothing.json")
    assert (result.protocol["rounds"], result.protocol["threads"], result.protocol["dtype"]) == (5, 1, "fp32")
    assert as_table(result) in capsys.readouterr().out
    assert "ours / peer" in as_ratios(result)
    assert " ms" not in as_ratios(result)


@pytest.mark.parametrize(("option", "value"), [("--threads", "0"), ("--rounds", "0"), ("--rounds", "13")])
def test_bad_options_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    arguments = ["--output", str(tmp_path / "none"), "--device", "cpu", option, value]
    assert run(measure, "nothing", rounds=5, arguments=arguments) == 2
    assert capsys.readouterr().err.count(".") == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(measure, "nothing", rounds=5, arguments=["--output", str(tmp_path), "--device", "cuda"]) == 2
    assert "--device is cuda" in capsys.readouterr().err


def test_every_kind_has_its_command() -> None:
    folder = Path(__file__).parents[1]
    assert set(RESULTS) <= {path.parent.name for path in folder.glob("*/__main__.py")}


def test_outputs_that_differ_or_say_nothing_are_refused() -> None:
    values = torch.randn(10)
    agree({"ours": values, "peer": values + 1e-6})
    with pytest.raises(RuntimeError, match=r"'peer' and 'ours' differ by 0\.5"):
        agree({"ours": values, "peer": values + 0.5})
    with pytest.raises(RuntimeError, match="constant"):
        agree({"ours": torch.zeros(10), "peer": torch.zeros(10)})
