"""Verdicts on what the sides' processes found: exact counts, which gate; times as ratios, which tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from exvideo_eval.ab.ratios import Ratio, ratio_of
from exvideo_eval.ab.sides import BASE, CONTROL, HEAD, SIDES, Found
from exvideo_eval.verdict import BETTER, NEUTRAL, SAME, UNDECIDED, WORSE

GONE, NEW, ACCEPTED = "gone", "new", "worse, accepted"
CLOCKS = {"CPU": "cpu", "wall": "wall"}
SMALLEST = 1e-6  # seconds of a call: a difference below it is nobody's


@dataclass(frozen=True)
class Count:
    """An exact figure of both versions; None where a version has it not. `reason`: of a verdict, in words."""

    name: str
    unit: str
    base: float | None
    head: float | None
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Time:
    """A timing of both versions by one clock.

    Args:
        clock: CPU or wall.
        seconds: side -> seconds a call, the median of turns, one a round.
        head: head over base, round by round.
        control: the same of base's second run over its first.
    """

    name: str
    clock: str
    seconds: Mapping[str, Sequence[float]]
    head: Ratio
    control: Ratio
    verdict: str


@dataclass(frozen=True)
class Judgement:
    """All verdicts. `failed`: side -> {function: exception} of those that could not be measured."""

    counts: Sequence[Count]
    times: Sequence[Time]
    failed: Mapping[str, Mapping[str, str]]

    @property
    def passed(self) -> bool:
        """False if a count got worse or is gone, or if a function fails at head."""
        return not self.failed[HEAD] and not any(count.verdict in (WORSE, GONE) for count in self.counts)


def judge(found: Mapping[str, Sequence[Found]], threshold: float, accepted: Sequence[str] = ()) -> Judgement:
    """Judges what was found.

    Args:
        found: side -> one a round.
        threshold: of times, as a fraction.
        accepted: patterns (`fnmatch`) of counts that may get worse.
    """
    failed = {side: {name: said for run in found[side] for name, said in run.failed.items()} for side in SIDES}
    return Judgement(list(_counts(found, accepted)), list(_times(found, threshold)), failed)


def _counts(found: Mapping[str, Sequence[Found]], accepted: Sequence[str]) -> Iterator[Count]:
    figures: dict[str, dict[str, Any]] = {}
    values: dict[str, dict[str, list[float]]] = {}
    for side in SIDES:
        for run in found[side]:
            for figure in run.counts:
                figures[figure["name"]] = dict(figure)
                values.setdefault(figure["name"], {}).setdefault(side, []).append(figure["value"])
    for name, figure in figures.items():
        of_base = values[name].get(BASE, []) + values[name].get(CONTROL, [])
        of_head = values[name].get(HEAD, [])
        verdict, reason = _count_verdict(of_base, of_head, figure["better"])
        if verdict in (WORSE, GONE) and any(fnmatchcase(name, pattern) for pattern in accepted):
            verdict = ACCEPTED
        base, head = (side_values[0] if side_values else None for side_values in (of_base, of_head))
        yield Count(name, figure["unit"], base, head, verdict, reason)


def _count_verdict(base: Sequence[float], head: Sequence[float], better: str) -> tuple[str, str]:
    for side, side_values in (("base", base), ("head", head)):
        if len(set(side_values)) > 1:
            spread = f"{min(side_values):.10g} to {max(side_values):.10g}"
            return UNDECIDED, f"not exact: {spread} in runs of the same {side}"
    if not (base and head):
        return (GONE, "not measured at head") if base else (NEW, "")
    if better == NEUTRAL or base[0] == head[0]:
        return (NEUTRAL if better == NEUTRAL else SAME), ""
    return (BETTER if (head[0] < base[0]) == (better == "lower") else WORSE), ""


def _times(found: Mapping[str, Sequence[Found]], threshold: float) -> Iterator[Time]:
    names = dict.fromkeys(time["name"] for side in SIDES for run in found[side] for time in run.times)
    for name in names:
        for clock, field in CLOCKS.items():
            rounds = list(_whole_rounds(found, name, field))
            if rounds:
                turns = {side: [one[side] for one in rounds] for side in SIDES}
                seconds = {side: list(map(median, of_rounds)) for side, of_rounds in turns.items()}
                head = ratio_of(turns[HEAD], turns[BASE])
                control = ratio_of(turns[CONTROL], turns[BASE])
                least = max(threshold, SMALLEST / median(seconds[BASE]))
                yield Time(name, clock, seconds, head, control, time_verdict(head, control, least))


def _whole_rounds(found: Mapping[str, Sequence[Found]], name: str, field: str) -> Iterator[dict[str, list[float]]]:
    """Turns of each side, of the rounds in which all three were measured."""
    for runs in zip(*(found[side] for side in SIDES), strict=True):
        turns = {
            side: time[field]
            for side, run in zip(SIDES, runs, strict=True)
            for time in run.times
            if time["name"] == name and time.get(field)
        }
        if len(turns) == len(SIDES) and len({len(of_side) for of_side in turns.values()}) == 1:
            yield turns


def time_verdict(head: Ratio, control: Ratio, threshold: float) -> str:
    """The verdict on head over base, which must differ from 1 by more than the base's two runs differ.

    Worse: the whole interval above 1, its median above 1 + threshold and above all that the control's interval holds;
    better: the same of the inverse. Same: the whole interval within the threshold. Else undecided.
    """
    if head.interval is None or control.interval is None:
        return UNDECIDED
    (low, high), (control_low, control_high) = head.interval, control.interval
    if low > 1 and head.median > max(1 + threshold, control_high) and low > control.median:
        return WORSE
    if high < 1 and head.median < min(1 / (1 + threshold), control_low) and high < control.median:
        return BETTER
    return SAME if 1 / (1 + threshold) <= low and high <= 1 + threshold else UNDECIDED
