"""Processes that take turns: what one of them does wrong is told, and holds up nobody."""

import os
from pathlib import Path

import pytest
from exvideo_eval.ab.environments import Environment, copy_harness, present
from exvideo_eval.ab.interleaved import run_interleaved
from exvideo_eval.ab.sides import SIDES, Found
from exvideo_eval.ab.versions import Version


def found(tmp_path: Path, suite: str, limit: float = 60.0) -> dict[str, Found]:
    """Of one round in which each side has a variable SIDE."""
    (tmp_path / "suite.py").write_text("import os, time\nSIDE = os.environ['SIDE']\n" + suite)
    harness = copy_harness(tmp_path / "harness")
    version = Version("base", "0" * 40, tmp_path)
    plain = present(version, harness, ["."], 1)
    environments = {
        side: Environment(version, plain.python, dict(plain.variables) | {"SIDE": side}, 1) for side in SIDES
    }
    return run_interleaved(environments, tmp_path / "suite.py", 0.02, limit, tmp_path, 0)


def turns(one: Found) -> dict[str, int]:
    return {time["name"]: len(time["wall"]) for time in one.times}


def test_all_sides_take_as_many_turns(tmp_path: Path) -> None:
    suite = "def bench_a(bench):\n    bench.time(int)\n    bench.time(lambda: time.sleep(.01), 'long')\n"
    ones = found(tmp_path, suite)
    assert len({tuple(turns(one).items()) for one in ones.values()}) == 1
    assert all(count >= 4 for count in turns(ones["head"]).values())


def test_a_timing_that_a_side_lacks_holds_up_nobody(tmp_path: Path) -> None:
    suite = """
def bench_a(bench):
    bench.record("a", 1, "steps")
    if SIDE == "base":
        raise KeyError("a")
    bench.time(int)

def bench_b(bench):
    bench.time(int)
"""
    ones = found(tmp_path, suite)
    assert ones["base"].failed == {"a": "KeyError: 'a' (suite.py, line 7)"}
    assert {side: turns(one).get("a: time") for side, one in ones.items()} == {"base": None, "control": 0, "head": 0}
    assert len({turns(one)["b: time"] for one in ones.values()}) == 1
    assert turns(ones["base"])["b: time"] >= 4


@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("print('last words', flush=True); os._exit(3)", "exit status 3: last words"),
        ("time.sleep(60)", "said nothing for 5 s"),
    ],
)
def test_a_process_that_dies_or_hangs_is_told_of(tmp_path: Path, death: str, said: str) -> None:
    suite = f"""
def bench_a(bench):
    if SIDE == "head":
        {death}
    bench.time(int)
    bench.record("a", 1, "steps")
"""
    ones = found(tmp_path, suite, limit=5.0)
    assert ones["head"].failed == {"the process": said}
    assert [ones[side].counts[0]["value"] for side in ("base", "control")] == [1, 1]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot keep a process on a CPU")
def test_turns_of_all_sides_are_taken_on_one_cpu(tmp_path: Path) -> None:
    suite = """
def bench_a(bench):
    seen = set()
    bench.time(lambda: seen.add(tuple(os.sched_getaffinity(0))))
    pinned = [cpus[0] for cpus in seen if len(cpus) == 1]  # others: while the stopwatch was made
    bench.record("pinned", pinned[0], "cpu")
    bench.record("after", len(os.sched_getaffinity(0)), "cpus")
"""
    ones = found(tmp_path, suite)
    assert {one.counts[0]["value"] for one in ones.values()} == {min(os.sched_getaffinity(0))}
    assert {one.counts[1]["value"] for one in ones.values()} == {len(os.sched_getaffinity(0))}
