"""Injected faults are found each time, a fifth more time and one more copy of an activation; and no change is none."""

from collections.abc import Callable
from typing import Any

import pytest

TIMES = 3
UNCHANGED = 20  # comparisons of a version with one that does the same


@pytest.mark.long
def test_a_fifth_more_time_is_found_each_time(repository: Any, compare: Callable[..., Any]) -> None:
    repository.commit_toy(seconds=0.0012)
    for _ in range(TIMES):
        status, verdicts = compare("HEAD^", "HEAD", "--rounds", "9", "--seconds", "0.1")
        assert [time["verdict"] for time in verdicts["times"]] == ["worse", "worse"]
        assert status == 0  # times tell, and do not gate


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_what_has_not_changed_is_called_worse_once_in_twenty_at_most(
    repository: Any, compare: Callable[..., Any]
) -> None:
    repository.write("unrelated.txt", "nothing")
    repository.commit()
    found = []
    for _ in range(UNCHANGED):
        _, verdicts = compare("HEAD^", "HEAD", "--rounds", "9", "--seconds", "0.1")
        found.append("worse" in [time["verdict"] for time in verdicts["times"]])
    assert sum(found) <= 1


@pytest.mark.long
def test_one_more_copy_of_an_activation_is_found_each_time(repository: Any, compare: Callable[..., Any]) -> None:
    model = (
        "import torch\n"
        "def run():\n"
        "    hidden = torch.nn.Linear(16, 16)(torch.ones(4, 16))\n"
        "    (hidden * OTHER).sum().backward()\n"
    )
    repository.write("toy/__init__.py", model.replace("OTHER", "hidden"))
    repository.write("bench.py", "import toy\ndef bench_step(bench): bench.count(toy.run)\n")
    before = repository.commit()
    repository.write("toy/__init__.py", model.replace("OTHER", "hidden.clone()"))
    after = repository.commit()
    for _ in range(TIMES):
        status, verdicts = compare(before, after)
        changes = {count["name"]: count["head"] - count["base"] for count in verdicts["counts"]}
        assert status == 1
        assert changes["step: saved for backward"] == 4 * 16 * 4
        assert changes["step: operators"] >= 1
        assert changes["step: FLOPs"] == 0
        assert compare(before, before)[0] == 0
