"""Settings: their clips, their base, their methods."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.quality.protocol import Size
from benchmarks.quality.setting import Setting
from benchmarks.quality.trained import rows_of


def test_clips_of_a_split_are_those_of_its_seed(tmp_path: Path) -> None:
    real = Setting(tmp_path, "validate", "two-times", Size((0,), 7)).real()
    assert [clip.path.name for clip in real] == [f"validate-72-{index:06d}.mp4" for index in range(7)]
    assert {clip.num_frames for clip in real} == {16}
    assert len({clip.spec.motion.kind for clip in real}) == 7


def test_short_events_have_as_many_clips_of_each_kind_and_duration(tmp_path: Path) -> None:
    setting = Setting(tmp_path, "validate", "short-events", Size((0,), 16))
    events = Counter((clip.spec.event.kind, clip.spec.event.duration) for clip in setting.real() if clip.spec.event)
    assert len(events) == 16
    assert set(events.values()) == {1}
    assert {duration for _, duration in events} == {1, 2, 3, 4}


def test_a_base_that_does_not_ship_is_given(tmp_path: Path) -> None:
    assert Setting(tmp_path, "validate", "one-rate", Size((0,), 7), given_base="folder").base == "folder"
    assert Setting(tmp_path, "validate", "ten-times", Size((0,), 7)).base == "embedded"
    with pytest.raises(ValueError, match="needs the folder"):
        Setting(tmp_path, "validate", "one-rate", Size((0,), 7))


def test_what_is_trained_here_is_a_method_of_its_seed(tmp_path: Path) -> None:
    setting = Setting(tmp_path, "validate", "several-rates", Size((0, 1), 7), rows_of("controls"))
    assert setting.names[-1] in rows_of("controls")
    assert setting.method("full", 1).title == "ExVideo, `full`"
    assert setting.method("continued", 0).title == setting.method("continued", 1).title
    too_long = Setting(tmp_path, "validate", "ten-times", Size((0,), 7)).left_out()
    assert too_long["exvideo"] == "it makes 40 frames at most"
    assert "direct" not in too_long
