"""Settings: their clips, their base, their methods."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from exvideo_blocks import write_safetensors

from benchmarks.quality.protocol import HEADLINE, QUICK, REGIMES, Size
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


@pytest.mark.parametrize(
    ("regime", "size", "told"),
    [
        ("two-times", Size((0, 0), 7), "seeds are 0, 0: give --seeds that differ, of 0 or more"),
        ("two-times", Size((-1,), 7), "seeds are -1"),
        ("two-times", Size((), 7), "seeds are"),
        (
            "two-times",
            Size((0,), 10),
            "clips are 10, and the regime two-times has 7 kinds .*: give --clips a multiple of 7",
        ),
        ("two-times", Size((0,), 0), "clips are 0"),
        ("two-times", Size((0,), -7), "clips are -7"),
        ("short-events", Size((0,), 28), "clips are 28, .* 16 kinds .*: give --clips a multiple of 16"),
        ("events", Size((0,), 196), "a multiple of 24"),
    ],
)
def test_sizes_that_would_not_be_what_they_say_are_refused(tmp_path: Path, regime: str, size: Size, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Setting(tmp_path, "validate", regime, size)


def test_by_default_there_are_as_many_clips_as_the_kinds_share() -> None:
    shared = {name: HEADLINE.shared(REGIMES[name]).clips for name in ("ten-times", "short-events", "events")}
    assert shared == {"ten-times": 196, "short-events": 192, "events": 192}
    assert QUICK.shared(REGIMES["short-events"]).clips == 16


def test_runs_of_bases_that_do_not_ship_are_kept_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_safetensors(tmp_path / name / "unet.safetensors", {"x": torch.full((1,), float(len(name)))}, {name: name})
    size, rows = Size((0,), 7), rows_of("full")
    bases = [Setting(tmp_path, "validate", "one-rate", size, rows, str(tmp_path / name)) for name in ("one", "two")]
    settings = [*bases, Setting(tmp_path, "validate", "several-rates", size, rows)]
    assert len({setting.method("full", 0).weights for setting in settings}) == 3
    with pytest.raises(ValueError, match="is no folder of a base with weights"):
        Setting(tmp_path, "validate", "one-rate", size, rows, str(tmp_path / "none")).method("full", 0)
