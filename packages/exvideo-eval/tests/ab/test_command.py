"""Two commits of a repository, side by side: counts gate, times tell, and nothing is compared with itself unseen."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval.cli import main
from exvideo_eval.results import Result

Compare = Callable[..., tuple[int, dict[str, Any]]]


def verdict_of(verdicts: dict[str, Any], name: str) -> str:
    (verdict,) = {count["verdict"] for count in verdicts["counts"] if count["name"] == name}
    return str(verdict)


def test_one_step_more_fails_and_one_less_passes(
    repository: Any, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    before = repository.git("rev-parse", "HEAD")
    after = repository.commit_toy(steps=11)
    status, verdicts = compare(before, after)
    assert (status, verdict_of(verdicts, "work: steps")) == (1, "worse")
    page = capsys.readouterr().out
    assert "**Failed:** 1 count(s) worse or gone." in page
    assert "| work: steps | steps | 10 | 11 | +1 (+10.00%) | worse |" in page
    repository.git("checkout", "--quiet", "--detach", before)
    fewer = repository.commit_toy(steps=9)
    status, verdicts = compare(before, fewer)
    assert (status, verdict_of(verdicts, "work: steps")) == (0, "better")


def test_head_is_compared_with_where_it_left_base(repository: Any, compare: Compare) -> None:
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit_toy(steps=10, message="Nothing of note")
    repository.git("checkout", "--quiet", "main")
    repository.commit_toy(steps=1)
    status, verdicts = compare("main", "topic")
    assert (status, verdict_of(verdicts, "work: steps")) == (0, "same")
    assert repository.git("worktree", "list").count("\n") == 0  # none is left behind
    assert repository.git("status", "--porcelain") == ""


def test_a_worse_count_passes_where_a_commit_or_the_command_accepts_it(repository: Any, compare: Compare) -> None:
    repository.commit_toy(steps=11, message="More steps\n\nAccept-worse: work: st*")
    status, verdicts = compare("HEAD^", "HEAD")
    assert (status, verdict_of(verdicts, "work: steps")) == (0, "worse, accepted")
    repository.commit_toy(steps=12)
    assert compare("HEAD^", "HEAD")[0] == 1
    assert compare("HEAD^", "HEAD", "--accept", "*steps")[0] == 0


def test_the_suite_of_head_measures_both(repository: Any, compare: Compare) -> None:
    repository.write("bench.py", "import toy\ndef bench_new(bench): bench.record('steps', toy.steps(), 'steps')\n")
    repository.commit_toy(steps=9)
    status, verdicts = compare("HEAD^", "HEAD")
    assert status == 0
    assert [(count["name"], count["base"], count["head"]) for count in verdicts["counts"]] == [("new: steps", 10, 9)]


def test_what_base_cannot_run_is_new_and_what_head_cannot_run_fails(
    repository: Any, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    first = repository.git("rev-parse", "HEAD")
    suite = "\n\ndef bench_more(bench):\n    bench.record('more', toy.more(), 'steps')\n"
    repository.write("bench.py", (repository.root / "bench.py").read_text() + suite)
    repository.write("toy/__init__.py", (repository.root / "toy/__init__.py").read_text() + "\ndef more(): return 1\n")
    second = repository.commit()
    status, verdicts = compare(first, second)
    assert (status, verdict_of(verdicts, "more: more")) == (0, "new")
    assert "at base, more: `AttributeError: module 'toy' has no attribute 'more'" in capsys.readouterr().out
    third = repository.commit_toy()  # without it again
    assert compare(second, third)[0] == 1
    assert "1 function(s) fail at head" in capsys.readouterr().out


def test_a_count_that_is_not_exact_does_not_gate(repository: Any, compare: Compare) -> None:
    suite = "import os, toy\ndef bench_a(bench): bench.record('process', os.getpid(), 'steps')\n"
    repository.write("bench.py", suite)
    repository.commit()
    status, verdicts = compare("HEAD", "HEAD")
    assert status == 0
    (count,) = verdicts["counts"]
    assert count["verdict"] == "undecided"
    assert count["reason"].startswith("not exact: ")


def test_files_for_others(repository: Any, compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    (tmp_path / "summary").write_text("Earlier.\n")
    compare("HEAD", "HEAD")
    out = repository.root / "out/ab"
    page = (out / "summary.md").read_text()
    assert (tmp_path / "summary").read_text() == f"Earlier.\n{page}\n"
    assert "All 1 counts are the same." in page
    assert "| work: time | CPU |" in page
    head = Result.load(out / "head.json")
    assert [(metric.name, metric.unit) for metric in head.metrics] == [("work: steps", "steps"), ("work: time", "s")]
    assert "cpu" in head.protocol
    rows = json.loads((out / "github-action-benchmark.json").read_text())
    assert all(row.keys() - {"range"} == {"extra", "name", "unit", "value"} for row in rows)
    assert [row["value"] for row in rows if row["name"] == "work: steps"] == [10]
    assert main(["compare", str(out / "base.json"), str(out / "head.json")]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "HEAD", "--suite", "bench.py"], "git rev-parse --verify failed"),
        (["HEAD", "HEAD", "--suite", "absent.py"], "--suite absent.py is not in the commit"),
        (["HEAD", "HEAD", "--suite", "/absent.py"], "--suite /absent.py does not exist"),
        (["HEAD", "HEAD", "--suite", "toy"], "is no suite: give a Python file"),
        (["HEAD", "HEAD", "--suite", "toy/__init__.py"], "it has no function bench_..."),
        (["HEAD", "HEAD", "--suite", "bench.py", "--path", "lib"], "--path lib matches no folder at base"),
        (["HEAD", "HEAD", "--suite", "bench.py", "--rounds", "0"], "--rounds is 0: give at least 1."),
        (["HEAD", "HEAD", "--suite", "bench.py", "--install", "x"], "--install is given with --env none"),
        (["HEAD", "HEAD", "--suite", "bench.py", "--limit", "-1"], "--limit is -1.0"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    repository: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["ab", "--rounds", "1", "--seconds", "0", "--env", "none", *arguments]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("exvideo-eval ab: ")
    assert sentence in last


def test_places_that_cannot_be_written_are_said_before_anything_is_measured(
    repository: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("file", "")
    fast = ["ab", "HEAD", "HEAD", "--suite", "bench.py", "--env", "none", "--rounds", "1", "--seconds", "0"]
    for output in ("file", "file/below", "/proc/ab"):
        assert main([*fast, "--output", output]) == 2
        error = capsys.readouterr().err
        assert f"exvideo-eval ab: --output {output} is no folder to write to (" in error
        assert error.count("\n") == 1
    for summary in (repository.root, repository.root / "absent" / "summary"):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert main(fast) == 2
        error = capsys.readouterr().err
        assert f"exvideo-eval ab: GITHUB_STEP_SUMMARY is {summary} (" in error
        assert error.count("\n") == 1


def test_what_fails_at_the_end_is_no_verdict(repository: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (repository.root / "out/ab/summary.md").mkdir(parents=True)
    fast = ["ab", "HEAD", "HEAD", "--suite", "bench.py", "--env", "none", "--rounds", "1", "--seconds", "0"]
    assert main(fast) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("exvideo-eval ab: ")
    assert "summary.md" in last
    assert "cannot be read or written (Is a directory)" in last


def test_installed_code_is_not_taken_for_both_versions(repository: Any, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("bench.py", "import json\ndef bench_a(bench): bench.record('one', 1, 'steps')\n")
    repository.commit()
    fast = ["--rounds", "1", "--env", "none"]
    assert main(["ab", "HEAD", "HEAD", "--suite", "bench.py", *fast]) == 2
    assert "imported no file of the version, so both sides ran what is installed" in capsys.readouterr().err


def test_the_present_files_are_not_taken_for_a_version(
    repository: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("src/other/__init__.py", "")
    repository.git("mv", "toy", "src/toy")
    repository.commit()
    monkeypatch.setenv("PYTHONPATH", str(repository.root / "src"))
    fast = ["--rounds", "1", "--seconds", "0", "--env", "none"]
    assert main(["ab", "HEAD", "HEAD", "--suite", "bench.py", *fast]) == 0
    assert main(["ab", "HEAD", "HEAD", "--suite", "bench.py", *fast, "--path", "src/other"]) == 2
    assert "which is not the version's: give its --path." in capsys.readouterr().err


def test_history_that_is_not_here_is_asked_for(repository: Any, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "--orphan", "alone")
    repository.commit_toy(message="Another beginning")
    done = subprocess.run(
        [sys.executable, "-m", "exvideo_eval", "ab", "main", "alone", "--suite", "bench.py"],
        cwd=repository.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "fetch-depth: 0" in done.stderr
