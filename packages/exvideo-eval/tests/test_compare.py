import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval.cli import main
from exvideo_eval.compare import compare_results
from exvideo_eval.result_parts import ClipValues, Interval, Metric
from exvideo_eval.results import Result


def result(*metrics: Metric, name: str = "attention", kind: str = "kernel", **protocol: object) -> Result:
    return Result.measured_here(kind=kind, name=name, protocol={"frames": 25} | protocol, metrics=metrics)


def on_another_cpu(one: Result) -> Result:
    return replace(one, machine={**one.machine, "cpu": "abacus"})


def measured(value: float, half_width: float | None = 0.01, **fields: str) -> Metric:
    bounds = None if half_width is None else Interval(value - half_width, value + half_width, 0.95, "test")
    given = {"name": "time", "unit": "ms", "better": "lower"} | fields
    return Metric(given["name"], value, given["unit"], given["better"], interval=bounds)


def run(folder: Path, before: Result, after: Result, *options: str) -> int:
    before.save(folder / "before.json")
    after.save(folder / "after.json")
    return main(["compare", str(folder / "before.json"), str(folder / "after.json"), *options])


def test_a_reader_that_is_gone_does_not_make_anything_worse(
    gone_reader: Callable[[], AbstractContextManager[None]], tmp_path: Path
) -> None:
    with gone_reader():
        assert run(tmp_path, result(measured(2.0)), result(measured(2.0))) == 0
        assert run(tmp_path, result(measured(2.0)), result(measured(3.0))) == 1
        assert main(["compare", str(tmp_path / "nowhere"), str(tmp_path / "before.json")]) == 2


def test_a_table_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115
    with redirect_stdout(full):
        assert run(tmp_path, result(measured(2.0)), result(measured(2.0))) == 2
    assert "cannot be written (No space left on device): send it" in capsys.readouterr().err
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_worse_is_exit_status_1_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, result(measured(2.0)), result(measured(3.0))) == 1
    printed = capsys.readouterr().out
    assert "| time | ms | 2 | 3 | 1.5 | +1 [+0.9859, +1.014] | worse |" in printed
    assert "Worse: kernel: attention: time." in printed
    assert run(tmp_path, result(measured(3.0)), result(measured(2.0))) == 0
    assert "Better: kernel: attention: time." in capsys.readouterr().out


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_undecided_is_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], status: int
) -> None:
    assert run(tmp_path, result(measured(11, 7)), result(measured(29, 19)), *options) == status
    printed = capsys.readouterr().out
    assert "Undecided: kernel: attention: time" in printed
    assert "othing got worse" not in printed


def test_a_sure_change_below_the_threshold_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, result(measured(1.0, 0.0005)), result(measured(1.0021, 0.0006)), "--strict") == 0
    printed = capsys.readouterr().out
    assert "| same |" in printed
    assert "Nothing got worse." in printed


def test_thresholds_can_be_given(tmp_path: Path) -> None:
    pair = result(measured(1.0)), result(measured(1.2))
    assert run(tmp_path, *pair) == 1
    assert run(tmp_path, *pair, "--threshold", "0.3") == 0
    assert run(tmp_path, *pair, "--absolute", "ms=0.5") == 0
    assert run(tmp_path, *pair, "--absolute", "s=0.5") == 1
    bare = result(measured(1.0, unit="")), result(measured(1.2, unit=""))
    assert run(tmp_path, *bare) == 1
    assert run(tmp_path, *bare, "--absolute", "=0.5") == 0


def test_a_change_from_zero_without_an_amount_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = result(measured(0.0, 0.0, unit="furlongs")), result(measured(0.5, unit="furlongs"))
    assert run(tmp_path, *pair) == 0
    assert "Undecided: kernel: attention: time (a change from 0 has no percentage: give" in capsys.readouterr().out
    assert run(tmp_path, *pair, "--absolute", "furlongs=0.1") == 1


def test_gone_fails_and_new_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = measured(1.0, name="old"), measured(1.0, name="new")
    assert run(tmp_path, result(old), result(new)) == 1
    printed = capsys.readouterr().out
    assert "| old | ms | 1 | - | - | - | gone |" in printed
    assert "| new | ms | - | 1 | - | - | new |" in printed
    assert "Gone: kernel: attention: old." in printed
    assert run(tmp_path, result(), result(new), "--strict") == 0


def test_a_lost_neutral_number_does_not_fail(tmp_path: Path) -> None:
    kept = measured(1.0, name="kept")
    assert run(tmp_path, result(kept, measured(1.0, better="neutral")), result(kept), "--strict") == 0


def test_a_changed_unit_or_direction_is_another_figure() -> None:
    rows = compare_results(result(measured(1.0)), result(measured(1.0, unit="s"))).rows
    assert [row.verdict for row in rows] == ["gone", "new"]


@pytest.mark.parametrize("unit", ["s", "ms", "clips/s"])
def test_times_of_another_cpu_are_not_comparable(tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str) -> None:
    fields = {"unit": unit, "better": "lower"}
    before, after = result(measured(1.0, **fields)), on_another_cpu(result(measured(3.0, **fields)))
    assert run(tmp_path, before, after) == 2
    error = capsys.readouterr().err
    assert "-> abacus" in error
    assert error.count("\n") == 1


def on_cpu(one: Result, machine: str | None) -> Result:
    return replace(one, machine={} if machine is None else {"cpu": machine})


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("abacus", "abacus", "worse"),
        ("abacus", None, "not comparable"),
        (None, "abacus", "not comparable"),
        (None, None, "not comparable"),
        ("", "", "not comparable"),
    ],
)
def test_times_of_a_cpu_that_is_not_named_are_not_comparable(
    before: str | None, after: str | None, verdict: str
) -> None:
    sides = on_cpu(result(measured(1.0)), before), on_cpu(result(measured(3.0)), after)
    (row,) = compare_results(*sides).rows
    assert row.verdict == verdict
    assert row.change is not None
    assert ("CPU" in row.change.reason) == (verdict == "not comparable")
    no_time = (on_cpu(result(measured(value, unit="octaves")), None) for value in (1.0, 3.0))
    assert compare_results(*no_time).rows[0].verdict == "worse"


def test_a_cpu_that_the_protocol_names_is_known() -> None:
    sides = (on_cpu(result(measured(value), cpu="abacus"), None) for value in (1.0, 3.0))
    assert compare_results(*sides).rows[0].verdict == "worse"


def test_on_another_cpu_what_is_no_time_is_still_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = measured(1.0), measured(1.0, unit="octaves", name="mismatch")
    changed = measured(9.0), measured(9.0, unit="octaves", name="mismatch")
    assert run(tmp_path, result(*figures), on_another_cpu(result(*changed))) == 1
    printed = capsys.readouterr().out
    assert "Worse: kernel: attention: mismatch." in printed
    assert "Not comparable: kernel: attention: time (" in printed
    assert run(tmp_path, result(*figures), on_another_cpu(result(*figures))) == 0
    assert run(tmp_path, result(*figures), on_another_cpu(result(*figures)), "--strict") == 1


def test_a_protocol_that_names_its_cpu_has_only_counts_to_compare_on_another() -> None:
    def at(cpu: str, factor: int) -> Result:
        ratio, count = measured(1.0 * factor, unit="x", name="ratio"), measured(7.0 * factor, None, unit="operators")
        return result(ratio, count, cpu=cpu)

    rows = compare_results(at("abacus", 1), at("slide rule", 2)).rows
    assert [row.verdict for row in rows] == ["not comparable", "worse"]


def test_folders_are_matched_by_file_name_and_a_lost_result_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result(measured(1.0)).save(tmp_path / "before" / "attention.json")
    result(measured(1.0), name="norm").save(tmp_path / "before" / "norm.json")
    result(measured(1.0)).save(tmp_path / "after" / "attention.json")
    assert main(["compare", str(tmp_path / "before"), str(tmp_path / "after")]) == 1
    printed = capsys.readouterr().out
    assert "norm.json is in" in printed
    assert "| time | ms | 1 | - | - | - | gone |" in printed


def test_one_pair_that_cannot_be_compared_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, value, frames in (("before", 1.0, 25), ("after", 2.0, 128)):
        result(measured(value)).save(tmp_path / folder / "attention.json")
        result(measured(value), name="norm", frames=frames).save(tmp_path / folder / "norm.json")
    assert main(["compare", str(tmp_path / "before"), str(tmp_path / "after")]) == 1
    printed = capsys.readouterr().out
    assert "Worse: kernel: attention: time." in printed
    assert "Not comparable: kernel: norm: time (" in printed
    assert "frames 25 -> 128" in printed


def test_another_machine_is_remarked_on() -> None:
    before = result(measured(1.0))
    comparison = compare_results(before, on_another_cpu(before))
    assert len(comparison.remarks) == 1
    assert "-> abacus" in comparison.remarks[0]


def by_clip(*values: float, name: str = "time") -> Result:
    clips = tuple(map(str, range(len(values))))
    of_clips = ClipValues(name, None, "value", clips, clips, values)
    return replace(result(measured(1.0, name=name)), clip_values=(of_clips,))


@pytest.mark.parametrize(
    ("field", "content", "sentence"),
    [
        pytest.param(("metrics", 0, "value"), "1" + 400 * "0", "and no number may be above", id="400 digits"),
        pytest.param(("metrics", 0, "value"), "1" + 5000 * "0", "is not a result file", id="5,000 digits"),
        pytest.param(("metrics", 0, "value"), "1e999", "Metric 'time' is inf", id="infinite"),
        pytest.param(("metrics", 0, "interval", "low"), "-1e999", "Interval (-inf", id="infinite bound"),
        pytest.param(("machine", "gpu"), "[" * 100_000 + "]" * 100_000, "more than 50 deep", id="very deep"),
        pytest.param(("machine", "gpu"), "[" * 500 + "]" * 500, "more than 50 deep", id="deep"),
        pytest.param(("machine", "cpu"), '"x\\ny"', "nothing can be compared: measured on another CPU", id="two lines"),
        pytest.param(("metrics",), "[" * 40 + "]" * 40, "metrics[0] is [[[", id="a list of lists"),
        pytest.param(("clip_values", 0, "values"), "[1e200, -1e200, 1e200, 1]", "too large to compare", id="squares"),
        pytest.param(("clip_values", 0, "values"), "[1e308, 1e308, 1e308, 1]", "too large to compare", id="sums"),
    ],
)
def test_no_content_of_a_file_is_taken_for_a_figure_that_got_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: tuple[str | int, ...], content: str, sentence: str
) -> None:
    by_clip(1, 2, 3, 4).save(tmp_path / "one.json")
    whole = json.loads((tmp_path / "one.json").read_text())
    place: Any = whole
    for step in field[:-1]:
        place = place[step]
    place[field[-1]] = "HERE"
    (tmp_path / "two.json").write_text(json.dumps(whole).replace('"HERE"', content))
    for names in (("one", "two"), ("two", "one")):
        assert main(["compare", *(str(tmp_path / f"{name}.json") for name in names)]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1


def test_names_that_no_terminal_shows_are_compared(tmp_path: Path) -> None:
    folders = tmp_path / "before", tmp_path / "after"
    result(measured(1.0, name="half")).save(tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text().replace('"half"', '"half \\ud800 a pair"')
    for folder in folders:
        folder.mkdir()
        (folder / "a.json").write_text(text)
    shutil.copy(folders[1] / "a.json", os.fsencode(folders[1]) + b"/caf\xe9.json")
    command = [sys.executable, "-m", "exvideo_eval", "compare", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| half \\ud800 a pair | ms | 1 | 1 |" in done.stdout


@pytest.mark.parametrize("metrics", [(), (measured(1.0, better="neutral"),)])
def test_results_without_a_figure_that_decides_are_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], metrics: tuple[Metric, ...]
) -> None:
    assert run(tmp_path, result(*metrics), result(*metrics)) == 2
    printed = capsys.readouterr()
    assert "nothing can be compared: no figure of the results has a better way" in printed.err
    assert "othing got worse" not in printed.out


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
        ([paths["one"], paths["one"], "--threshold", "-1"], "The relative threshold is -1.0"),
        ([paths["one"], paths["one"], "--absolute", "ms"], "--absolute is 'ms'"),
    ):
        assert main(["compare", *arguments]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
