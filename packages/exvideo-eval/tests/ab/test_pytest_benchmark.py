"""A suite of pytest-benchmark is run as it is, and its JSON read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval.ab.pytest_benchmark import read_times

SUITE = """
import toy

def test_work(benchmark):
    benchmark.pedantic(toy.work, rounds=5)
"""


@pytest.mark.long
def test_its_suite_is_measured(repository: Any, compare: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    pytest.importorskip("pytest_benchmark")
    repository.write("test_bench.py", SUITE)
    first = repository.commit()
    second = repository.commit_toy(seconds=0.004)
    status, verdicts = compare(first, second, "--suite", "test_bench.py", "--harness", "pytest-benchmark")
    assert status == 0
    (time,) = verdicts["times"]
    assert (time["name"], time["clock"]) == ("test_bench.py::test_work", "wall")
    assert time["head"]["median"] > 2
    assert time["verdict"] == "undecided"  # two rounds have no interval


def test_its_best_round_is_read(tmp_path: Path) -> None:
    stats = {"min": 0.5, "median": 0.6, "rounds": 3, "iterations": 1}
    content = {"machine_info": {}, "benchmarks": [{"fullname": "tests/test_a.py::test_b", "stats": stats}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_times(tmp_path / "a.json") == [{"name": "test_a.py::test_b", "wall": [0.5]}]
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match="is not what pytest-benchmark writes: give the file"):
        read_times(tmp_path / "a.json")
