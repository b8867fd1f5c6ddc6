"""A suite's functions are found, run and survived."""

import json
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.harness.bench import Bench
from exvideo_eval.harness.suite import run_suite, suite_files
from exvideo_eval.harness.turns import Alone, Handed

SUITE = """
import torch
from _sizes import ROWS

def bench_product(bench):
    x = torch.ones(ROWS, 5)
    assert bench.count(lambda: x @ x.t()).shape == (ROWS, ROWS)
    with bench.counting("twice"):
        x @ x.t()
        x @ x.t()
    bench.time(lambda: x @ x.t())
    bench.record("rows", ROWS, "rows", "neutral")

def bench_broken(bench):
    bench.record("kept out", 1, "x")
    raise KeyError("lost")

def helper(bench):
    raise AssertionError
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "suite.py").write_text(SUITE)
    (tmp_path / "_sizes.py").write_text("ROWS = 3")
    (tmp_path / "unloadable.py").write_text("import no_such_module")
    return tmp_path


def test_a_folder_is_run_whole_whatever_breaks(folder: Path) -> None:
    command = [sys.executable, "-m", "exvideo_eval.harness", str(folder), "--seconds", "0.01"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    values = {figure["name"]: figure["value"] for figure in found["counts"]}
    assert values == {
        "product: FLOPs": 90, "product: operators": 1, "product: peak memory": 36, "product: saved for backward": 0,
        "product: twice, FLOPs": 180, "product: twice, operators": 2, "product: twice, peak memory": 36,
        "product: twice, saved for backward": 0,
        "product: rows": 3,
    }  # fmt: skip
    (time,) = found["times"]
    assert time["name"] == "product: time"
    assert len(time["wall"]) == len(time["cpu"]) >= 4
    assert set(found["failed"]) == {"broken", "unloadable.py"}
    assert found["failed"]["broken"] == "KeyError: 'lost' (suite.py, line 16)"


def test_files_and_modules_are_sized(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.bin").write_bytes(b"123")
    bench = Bench("size", Alone(0.01))
    bench.file_bytes(tmp_path / "some")
    bench.file_bytes(tmp_path / "some" / "a.bin")
    bench.imports("json.tool")
    assert [figure["value"] for figure in bench.counts[:2]] == [3, 3]
    assert bench.counts[2]["name"] == "size: import json.tool"
    assert bench.counts[2]["value"] > 1


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda bench: bench.file_bytes("nowhere"), "nowhere does not exist"),
        (lambda bench: bench.imports("no_such_module"), "import no_such_module failed: ModuleNotFoundError"),
        (lambda bench: bench.record("a", 1, "x", "up"), "better='up'"),
        (lambda bench: bench.record("a", 1, None), "'a' has unit=None: give text"),
        (lambda bench: bench.record("a", float("nan"), "x"), "'a' is nan: give one finite number"),
        (lambda bench: bench.record("a", 10**400, "x"), r"'a' is 10+\.\.\.0+: give one finite number"),
        (lambda bench: bench.record("a", "7", "x"), "'a' is '7': give one finite number"),
        (lambda bench: bench.record("a", 1j, "x"), "'a' is 1j: give one finite number"),
        (lambda bench: bench.record("a", np.arange(2), "x"), r"'a' is array\(\[0, 1\]\): give one finite number"),
        (lambda bench: bench.record("a", torch.ones(2), "x"), r"'a' is tensor\(.*\): give one finite number"),
        (lambda bench: [bench.record("a", 1, "x") for _ in range(2)], "There is a figure 't: a' already"),
    ],
)
def test_what_a_suite_does_wrong_is_said(call: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(Bench("t", Alone(0.01)))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([[7]]), 7),
        (torch.tensor(3), 3),
        (torch.tensor(0.5), 0.5),
        (Fraction(1, 4), 0.25),
        (True, 1),
        (2**60, 2**60),
    ],
)
def test_numbers_of_any_kind_are_recorded_as_plain_ones(value: object, plain: float) -> None:
    bench = Bench("t", Alone(0.01))
    bench.record("a", value, "x")  # type: ignore[arg-type]
    (figure,) = bench.counts
    assert (type(figure["value"]), figure["value"]) == (type(plain), plain)
    assert json.loads(json.dumps(figure))["value"] == plain


def test_what_one_function_does_wrong_costs_no_figure_of_another(tmp_path: Path) -> None:
    (tmp_path / "suite.py").write_text(
        "import pathlib, sys, types\n"
        "sys.modules['odd'] = types.ModuleType('odd')\n"
        "sys.modules['odd'].__file__ = pathlib.Path('odd.py')\n"
        "def bench_ends(bench): sys.exit(3)\n"
        "def bench_nothing(bench): bench.record('a', None, 'x')\n"
        "def bench_good(bench): bench.record('a', 1, 'x')\n"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile() as told:
        command = [sys.executable, "-m", "exvideo_eval.harness", "suite.py", "--socket", str(theirs.fileno())]
        subprocess.run(command, cwd=tmp_path, pass_fds=[theirs.fileno()], check=True, timeout=60)
        theirs.close()
        found = json.loads(told.readline())["found"]
    assert [figure["name"] for figure in found["counts"]] == ["good: a"]
    assert found["failed"]["ends"].startswith("SystemExit: 3 (suite.py")
    assert "'a' is None: give one finite number." in found["failed"]["nothing"]


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_only.py").write_text("")
    with pytest.raises(ValueError, match="is no suite: give a Python file"):
        suite_files(tmp_path)
    with pytest.raises(ValueError, match="is no suite"):
        suite_files(tmp_path / "nowhere.py")


def test_the_harness_stands_alone() -> None:
    code = "import sys, exvideo_eval.harness.suite; print([n for n in ('torch', 'numpy', 'av') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_turns_are_taken_as_they_are_handed_out(tmp_path: Path) -> None:
    suite = tmp_path / "suite.py"
    suite.write_text("def bench_a(bench):\n    bench.time(int)\n    bench.time(str, 'text')\n")
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("w") as handing, ours.makefile() as told:
        handing.write("turn\nturn\ndone\ndone\n")
        handing.flush()
        found = run_suite(suite, Handed(theirs))
        theirs.shutdown(socket.SHUT_WR)
        messages = [json.loads(line) for line in told]
    assert [message.get("timing", "turn") for message in messages] == ["a: time", "turn", "turn", "a: text"]
    assert [message["place"] for message in messages if "place" in message] == [[0, 1, 0], [0, 1, 1]]
    assert [len(time["wall"]) for time in found["times"]] == [2, 0]
    assert found["times"][0]["wall"] == [message["turn"][0] for message in messages if "turn" in message]
