"""Times are judged beside a control; a machine that drifts decides nothing, a slowdown beyond it is found."""

import random

import pytest
from exvideo_eval.ab.judging import judge, time_verdict
from exvideo_eval.ab.ratios import Ratio
from exvideo_eval.ab.sides import BASE, CONTROL, HEAD, Found

CALM = Ratio(1.0, (0.99, 1.01))


@pytest.mark.parametrize(
    ("head", "control", "expected"),
    [
        (Ratio(1.2, (1.15, 1.25)), CALM, "worse"),
        (Ratio(0.8, (0.75, 0.85)), CALM, "better"),
        (Ratio(1.01, (0.99, 1.03)), CALM, "same"),
        (Ratio(1.2, (0.95, 1.4)), CALM, "undecided"),  # one side of 1 is not sure
        (Ratio(1.03, (1.02, 1.04)), CALM, "same"),  # sure, and below the threshold
        (Ratio(1.04, (1.02, 1.08)), CALM, "undecided"),
        (Ratio(1.2, (1.15, 1.25)), Ratio(1.1, (1.0, 1.3)), "undecided"),  # nothing at all makes as much
        (Ratio(1.2, (1.15, 1.25)), Ratio(1.16, (1.15, 1.17)), "undecided"),
        (Ratio(1.2, None), CALM, "undecided"),
        (Ratio(1.2, (1.15, 1.25)), Ratio(1.0, None), "undecided"),
    ],
)
def test_verdicts_of_times(head: Ratio, control: Ratio, expected: str) -> None:
    assert time_verdict(head, control, 0.05) == expected


def simulated(slowdown: float, noise: float, generator: random.Random, rounds: int = 9) -> str:
    """The verdict on a call of a millisecond on a machine that is 1 to 3 times slower from turn to turn.

    Turns differ by `noise`, processes by a third of it, and one process in fifty by half.
    """
    found: dict[str, list[Found]] = {BASE: [], CONTROL: [], HEAD: []}
    for _ in range(rounds):
        loads = [generator.uniform(1, 3) for _ in range(12)]
        for side, runs in found.items():
            own = (slowdown if side == HEAD else 1) * (1 + abs(generator.gauss(0, noise / 3)))
            own *= 1.5 if generator.random() < 0.02 else 1
            wall = [load * own * (1 + abs(generator.gauss(0, noise))) for load in loads]
            runs.append(Found(times=[{"name": "call", "wall": wall}]))
    (time,) = judge(found, 0.05).times
    return time.verdict


def test_false_alarms_are_rare_and_a_fifth_is_found() -> None:
    generator, runs = random.Random(0), 300
    calm = [simulated(1.0, 0.03, generator) for _ in range(runs)]
    rough = [simulated(1.0, 0.3, generator) for _ in range(runs)]
    slow = [simulated(1.2, 0.03, generator) for _ in range(runs)]
    assert calm.count("worse") + calm.count("better") <= 0.01 * runs
    assert rough.count("worse") + rough.count("better") <= 0.02 * runs
    assert slow.count("worse") >= 0.95 * runs


def test_rounds_that_miss_a_side_do_not_count() -> None:
    time = {"name": "call", "wall": [1.0, 1.0], "cpu": [2.0, 2.0]}
    whole, empty = Found(times=[time]), Found(failed={"call": "ValueError"})
    judged = judge({BASE: [whole, whole], CONTROL: [whole, empty], HEAD: [whole, whole]}, 0.05)
    assert [(time.clock, len(time.seconds[HEAD])) for time in judged.times] == [("CPU", 1), ("wall", 1)]
    assert judged.failed == {BASE: {}, CONTROL: {"call": "ValueError"}, HEAD: {}}
    assert judged.passed


@pytest.mark.parametrize(
    ("better", "base", "head", "expected"),
    [
        ("lower", 10, 11, "worse"),
        ("lower", 10, 9, "better"),
        ("higher", 10, 11, "better"),
        ("higher", 10, 9, "worse"),
        ("neutral", 10, 11, "neutral"),
        ("lower", 0, 0, "same"),
        ("lower", 0, 1, "worse"),
    ],
)
def test_verdicts_of_counts(better: str, base: int, head: int, expected: str) -> None:
    def run(value: int) -> list[Found]:
        return [Found(counts=[{"name": "a", "unit": "operators", "value": value, "better": better}])] * 2

    judged = judge({BASE: run(base), CONTROL: run(base), HEAD: run(head)}, 0.05)
    assert [count.verdict for count in judged.counts] == [expected]
    assert judged.passed == (expected != "worse")
