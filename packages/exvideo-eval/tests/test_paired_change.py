"""Clips that two results share are paired, by their clusters; the interval holds the truth as often as it says."""

import random
from dataclasses import replace

import pytest
from exvideo_eval.compare import compare_results
from exvideo_eval.paired_change import paired_change
from exvideo_eval.result_parts import PSEUDO_VALUE, VALUE, ClipValues, Interval, Metric
from exvideo_eval.results import Result


def values(of: dict[str, float], kind: str = VALUE, per_cluster: int = 1) -> ClipValues:
    clusters = tuple(str(index // per_cluster) for index in range(len(of)))
    return ClipValues("sharpness", None, kind, tuple(of), clusters, tuple(of.values()))


def mean_of(of: dict[str, float]) -> Metric:
    mean = sum(of.values()) / len(of)
    return Metric("sharpness", mean, "octaves", "higher", interval=Interval(mean - 1, mean + 1, 0.95, "test"))


def change(before: dict[str, float], after: dict[str, float], **options: object):  # type: ignore[no-untyped-def]
    one, two = (values(of, **options) for of in (before, after))  # type: ignore[arg-type]
    return paired_change(mean_of(before), mean_of(after), one, two)


def test_what_makes_clips_differ_cancels() -> None:
    generator = random.Random(0)
    before = {f"c{index}": generator.gauss(10, 5) for index in range(24)}
    after = {clip: value - 0.8 + generator.gauss(0, 0.1) for clip, value in before.items()}
    results = [
        Result.measured_here(
            kind="quality", name="clips", protocol={}, metrics=(mean_of(of),), clip_values=(values(of),)
        )
        for of in (before, after)
    ]
    (row,) = compare_results(*results).rows
    assert row.verdict == "worse"
    assert row.change is not None
    assert row.change.interval is not None
    assert row.change.interval[1] - row.change.interval[0] < 0.2
    strangers = [replace(one, clip_values=()) for one in results]
    assert compare_results(*strangers).rows[0].verdict == "undecided"


def test_only_clips_in_common_are_paired_and_said() -> None:
    before = {f"c{index}": float(index) for index in range(6)}
    after = {f"c{index}": index + 1.0 for index in range(2, 9)}
    found = change(before, after)
    assert found.difference == pytest.approx(1.0)
    assert found.reason == "paired by the 4 clips that both have, of 6 and 7"


def test_pairs_that_tell_nothing_are_no_pairs() -> None:
    clips = {f"c{index}": float(index) for index in range(6)}
    other = {**clips, "d": 1.0}
    assert change(clips, {f"d{index}": 1.0 for index in range(6)}) is None
    assert change(clips, clips, per_cluster=3) is None  # two clusters
    assert change(clips, other, kind=PSEUDO_VALUE) is None
    assert paired_change(mean_of(clips), mean_of(clips), values(clips), values(clips, PSEUDO_VALUE)) is None


def test_a_difference_by_pseudo_values_is_the_figures_own() -> None:
    clips = {f"c{index}": float(index) for index in range(6)}
    shifted = {clip: value + 1.0 + (value % 2) for clip, value in clips.items()}
    one, two = Metric("sharpness", 5.0, "u", "higher"), Metric("sharpness", 7.5, "u", "higher")
    found = paired_change(one, two, values(clips, PSEUDO_VALUE), values(shifted, PSEUDO_VALUE))
    assert found is not None
    assert found.difference == 2.5
    assert found.interval is not None
    assert sum(found.interval) / 2 == pytest.approx(2.5)


@pytest.mark.parametrize("per_cluster", [1, 4])
def test_coverage(per_cluster: int) -> None:
    generator, held, trials = random.Random(0), 0, 1500
    for _ in range(trials):
        before, after = {}, {}
        for cluster in range(24 // per_cluster * (2 if per_cluster > 1 else 1)):
            own, moved = generator.gauss(0, 5), generator.gauss(0.5, 0.3)
            for clip in range(per_cluster):
                before[f"{cluster}/{clip}"] = own + generator.gauss(0, 1)
                after[f"{cluster}/{clip}"] = before[f"{cluster}/{clip}"] + moved + generator.gauss(0, 0.1)
        found = change(before, after, per_cluster=per_cluster)
        held += found.interval[0] <= 0.5 <= found.interval[1]
    assert 0.93 <= held / trials <= 0.97
