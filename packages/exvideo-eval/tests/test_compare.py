from dataclasses import replace
from pathlib import Path

import pytest
from exvideo_eval.compare import compare_results, main
from exvideo_eval.results import Interval, Metric, Result


def result(*metrics: Metric, frames: int = 25, name: str = "attention") -> Result:
    return Result.measured_here(kind="kernel", name=name, protocol={"frames": frames}, metrics=metrics)


def measured(value: float, better: str = "lower", interval: tuple[float, float] | None = None) -> Metric:
    bounds = Interval(*interval, 0.95, "test") if interval else None
    return Metric("time", value, "ms", better, interval=bounds)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (measured(1.0), measured(1.04), "same"),
        (measured(1.0), measured(1.06), "worse"),
        (measured(1.0), measured(0.9), "better"),
        (measured(1.0, "higher"), measured(0.9, "higher"), "worse"),
        (measured(1.0, "neutral"), measured(9.0, "neutral"), "neutral"),
        (measured(0.0), measured(0.1), "worse"),
        (measured(-1.0), measured(-2.0), "better"),
        (measured(1.0, interval=(0.8, 1.2)), measured(1.5, interval=(1.1, 1.9)), "same"),
        (measured(1.0, interval=(0.99, 1.01)), measured(1.03, interval=(1.02, 1.04)), "worse"),
    ],
)
def test_verdicts(before: Metric, after: Metric, verdict: str) -> None:
    (row,) = compare_results(result(before), result(after)).rows
    assert row.verdict == verdict


@pytest.mark.parametrize("option", [[], ["--fail-on-regression"]])
def test_exit_status_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    result(measured(2.0)).save(tmp_path / "before.json")
    result(measured(3.0)).save(tmp_path / "after.json")
    assert main([str(tmp_path / "before.json"), str(tmp_path / "after.json"), *option]) == (1 if option else 0)
    printed = capsys.readouterr().out
    assert "| time | ms | 2 | 3 | 1.5 | worse |" in printed
    assert "Worse or gone: kernel: attention: time." in printed
    assert main([str(tmp_path / "after.json"), str(tmp_path / "before.json"), *option]) == 0


def test_folders_are_matched_by_file_name_and_a_lost_result_is_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result(measured(1.0)).save(tmp_path / "before" / "attention.json")
    result(measured(1.0), name="norm").save(tmp_path / "before" / "norm.json")
    result(measured(1.0)).save(tmp_path / "after" / "attention.json")
    assert main([str(tmp_path / "before"), str(tmp_path / "after"), "--fail-on-regression"]) == 1
    printed = capsys.readouterr().out
    assert "norm.json is in" in printed
    assert "| time | ms | 1 | - | - | gone |" in printed


def test_a_lost_neutral_number_is_no_regression() -> None:
    comparison = compare_results(result(measured(1.0, "neutral")), result())
    assert [row.verdict for row in comparison.rows] == ["gone"]
    assert comparison.regressed == ()


def test_another_machine_is_remarked_on() -> None:
    before = result(measured(1.0))
    comparison = compare_results(before, replace(before, machine={**before.machine, "cpu": "abacus"}))
    assert len(comparison.remarks) == 1
    assert "-> abacus" in comparison.remarks[0]


def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {name: str(tmp_path / f"{name}.json") for name in ("one", "longer", "norm", "broken")}
    result(measured(1.0)).save(paths["one"])
    result(measured(1.0), frames=128).save(paths["longer"])
    result(measured(1.0), name="norm").save(paths["norm"])
    Path(paths["broken"]).write_text("{}")
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        ([paths["one"], paths["longer"]], "The protocols differ (frames 25 -> 128)"),
        ([paths["one"], paths["norm"]], "Results of different name ('attention', 'norm')"),
        ([paths["one"], paths["broken"]], "broken.json is not a result that this version reads"),
        ([paths["one"], str(tmp_path / "absent")], "absent does not exist"),
        ([paths["one"], str(tmp_path)], "are a folder and a file"),
        ([str(tmp_path / "empty")] * 2, "holds a .json file"),
        ([paths["one"], paths["one"], "--threshold", "-1"], "--threshold is -1.0"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
