"""Distances of clips, set against a baseline's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.compare import compare_results
from exvideo_eval.execution import Execution
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocols import catalogue, clip_distance
from exvideo_eval.protocols.figures import Measured
from exvideo_eval.protocols.into_result import contrasted
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.result_parts import PSEUDO_VALUE
from exvideo_eval.results import Result
from exvideo_eval.statistics import Resampling
from exvideo_eval.verdict import WORSE

RESAMPLING = Resampling(60, 0.95, 0)
NAMES = ("fvd:tf-original", "jedi", "fid-by-frame")
CLIPS = 8


@pytest.fixture(scope="module")
def sets(
    tmp_path_factory: pytest.TempPathFactory,
    write_video: Callable[..., Path],
    moving_clip: Callable[..., np.ndarray],
) -> Path:
    """Twins of real clips: good (a little darker), and bad (a third as bright, and slow)."""
    folder = tmp_path_factory.mktemp("contrasts")
    for seed in range(CLIPS):
        frames = np.concatenate([moving_clip(seed, 20), moving_clip(seed + 20, 20)], axis=2)[:, :, :48]
        for name, made in {"real": frames, "good": frames // 20 * 19, "bad": frames[np.arange(20) // 2] // 3}.items():
            write_video(folder / name / f"{seed}.mp4", made)
    return folder


def meter(small: PinnedFile, folder: Path, *names: str) -> Meter:
    files = {"i3d": small, "inception-v3": small, "vjepa-h": small}
    settings = MeasureSettings(names, files, dict.fromkeys(files, "small"), allow_fewer=True)
    return Meter(settings, Execution(cache=folder / "cache"))


def measured(small: PinnedFile, folder: Path, *names: str) -> tuple[Measured, Measured]:
    both = meter(small, folder, *names)
    ours, theirs = (both.measure(role, folder / "real", folder / of, RESAMPLING) for role, of in SETS.items())
    return ours, theirs


SETS = {"generated": "good", "baseline": "bad"}


def test_each_distance_of_clips_is_set_against_the_baseline_s(sets: Path, small: PinnedFile) -> None:
    ours, theirs = measured(small, sets, *NAMES)
    found = contrasted(ours, theirs, "baseline", RESAMPLING)
    assert found.notes == ()
    by_name = {metric.name: metric for metric in found.metrics}
    for one, other in zip(ours.metrics, theirs.metrics, strict=True):
        difference, ratio = (by_name[f"{one.name}, {kind} to baseline"] for kind in ("difference", "ratio"))
        assert difference.value == pytest.approx(one.value - other.value, rel=1e-9)
        assert ratio.value == pytest.approx(one.value / other.value, rel=1e-9)
        assert difference.interval is not None
        assert difference.interval.low < difference.value < difference.interval.high < 0
        assert difference.significance is not None
        assert difference.significance.p_value <= 0.05
        assert difference.better == "lower"


def test_each_has_an_interval_and_its_clips_parts_so_that_compare_can_say_worse(sets: Path, small: PinnedFile) -> None:
    ours, theirs = measured(small, sets, *NAMES)
    for metric, values in zip(ours.metrics, ours.clip_values, strict=True):
        assert metric.interval is not None, metric.name
        assert max(0, metric.interval.low) <= metric.value < metric.interval.high
        assert (values.metric, values.kind, values.clips) == (metric.name, PSEUDO_VALUE, tuple(map(str, range(CLIPS))))
    before, after = (
        Result.measured_here(
            kind="quality", name="clips", protocol={}, metrics=found.metrics, clip_values=found.clip_values
        )
        for found in (ours, theirs)
    )
    assert [row.verdict for row in compare_results(before, after).rows] == [WORSE] * len(NAMES)
    unsampled = meter(small, sets, "jedi").measure("generated", sets / "real", sets / "good", Resampling(0))
    assert (unsampled.metrics[0].interval, unsampled.clip_values) == (None, ())


def test_a_set_against_itself_is_no_better_and_no_worse(sets: Path, small: PinnedFile) -> None:
    ours, _ = measured(small, sets, "fvd:tf-original", "jedi")
    for metric in contrasted(ours, ours, "baseline", RESAMPLING).metrics:
        if metric.unit != "ratio":
            assert metric.value == 0
            assert metric.significance is not None
            assert metric.significance.p_value == 1


def test_distances_that_are_not_of_clips_are_named_in_a_note(sets: Path, small: PinnedFile) -> None:
    ours, theirs = measured(small, sets, "fid", "mind", "fvd:tf-original")
    (note,) = contrasted(ours, theirs, "baseline", RESAMPLING).notes
    assert all(metric.name in note for metric in ours.metrics[:2])
    assert ours.metrics[2].name not in note


def test_sets_of_other_numbers_and_of_too_many_clips_are_named_too(
    sets: Path, small: PinnedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = measured(small, sets, "fvd:tf-original")
    for path in list((sets / "bad").iterdir())[: CLIPS - 1]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fewer = meter(small, sets, "fvd:tf-original").measure("baseline", sets / "real", tmp_path, RESAMPLING)
    found = contrasted(ours, fewer, "baseline", RESAMPLING)
    assert not found.metrics
    assert ours.metrics[0].name in found.notes[0]
    monkeypatch.setattr(clip_distance, "MOST_CLIPS", CLIPS - 1)
    ours, theirs = measured(small, sets, "fvd:tf-original")
    assert not contrasted(ours, theirs, "baseline", RESAMPLING).metrics


def test_only_the_clips_that_count_are_left_out_and_exchanged(
    sets: Path, small: PinnedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = catalogue.PROTOCOLS["fvd:fastvideo"]
    four = replace(protocol, samples=replace(protocol.samples, real=4, generated=4))
    monkeypatch.setitem(catalogue.PROTOCOLS, "fvd:fastvideo", four)
    ours, theirs = measured(small, sets, "fvd:fastvideo")
    difference = contrasted(ours, theirs, "baseline", RESAMPLING).metrics[0]
    assert difference.n == 4
    assert difference.value == pytest.approx(ours.metrics[0].value - theirs.metrics[0].value, rel=1e-9)
    assert ours.measures[0].clips.sources == ("0", "1", "2", "3")


def test_a_name_that_only_one_set_has_takes_no_clip_out_of_the_difference(
    sets: Path, small: PinnedFile, tmp_path: Path
) -> None:
    """The figure's name says of how many clips it is."""
    for path in (sets / "bad").iterdir():
        (tmp_path / ("other.mp4" if path.stem == "3" else path.name)).write_bytes(path.read_bytes())
    both = meter(small, sets, "fvd:tf-original")
    ours, theirs = (
        both.measure(role, sets / "real", folder, RESAMPLING)
        for role, folder in {"generated": sets / "good", "baseline": tmp_path}.items()
    )
    difference = contrasted(ours, theirs, "baseline", RESAMPLING).metrics[0]
    assert difference.n == CLIPS
    assert difference.value == pytest.approx(ours.metrics[0].value - theirs.metrics[0].value, rel=1e-9)
