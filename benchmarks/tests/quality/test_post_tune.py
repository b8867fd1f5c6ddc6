"""A row that is post-tuned: a few steps, and clips by what they leave."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exvideo_blocks import LEVELS, read_extension_header

from benchmarks.quality import post_tune as module
from benchmarks.quality.post_tune import main, post_tune, write_training_clips
from benchmarks.quality.protocol import Size
from benchmarks.quality.recipes import RECIPES
from benchmarks.quality.setting import Setting
from tiny_world.truth.measured_set import read_truth
from tiny_world.world.sampler import is_held_out
from tiny_world.world.spec import EVENTS


@pytest.fixture(autouse=True)
def few_clips(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = dict(LEVELS)
    monkeypatch.setattr(module, "CLIPS", {"tune": 2, "validation": 1})
    yield
    LEVELS.clear()
    LEVELS.update(known)


def in_this_process(program: str, *arguments: str | Path, processes: int = 1) -> None:
    assert program == "benchmarks.quality.post_tune"
    assert main([str(argument) for argument in arguments]) == 0


def test_it_trains_on_combinations_of_training_alone_and_is_validated_on_other_clips(tmp_path: Path) -> None:
    write_training_clips(tmp_path, 4)
    folders = {name: read_truth(tmp_path / name) for name in ("tune", "validation")}
    for clips in folders.values():
        for clip in clips:
            motion, subject = clip.spec.motion, clip.spec.subjects[0]
            assert not is_held_out(subject.shape, subject.colour, motion.kind, motion.direction)
    assert not {clip.spec for clip in folders["tune"]} & {clip.spec for clip in folders["validation"]}


def test_a_row_of_more_clips_has_those_of_the_others_and_more(tmp_path: Path) -> None:
    write_training_clips(tmp_path / "few", 2)
    write_training_clips(tmp_path / "more", 2, clips=3)
    few, more = ([clip.spec for clip in read_truth(tmp_path / name / "tune")] for name in ("few", "more"))
    assert len(more) == 3
    assert more[:2] == few


def test_clips_with_events_are_of_training_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_EVENT", 1)
    write_training_clips(tmp_path, 4, with_events=True)
    events = [clip.spec.event for clip in read_truth(tmp_path / "tune")]
    assert sorted(event.kind for event in events if event) == sorted(EVENTS)
    assert all(event and event.duration == 1 for event in events)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_row_is_trained_once_and_makes_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run_program", in_this_process)
    recipe = RECIPES["without-table"]
    few: dict[str, Any] = {"optimizer.steps": 2, "optimizer.warmup_steps": 0, "validation.every": 2}
    few |= {"validation.max_clips": 1, "extension.num_frames": 12, "data.lengths": [12], "engine.zero_stage": 0}
    few |= {"engine.precision": "fp32", "optimizer.batch_size": 1}
    recipe = replace(recipe, changes={**recipe.changes, **few})
    extension = post_tune("without-table", recipe, tmp_path / "post_tune", "embedded", 1)
    header = read_extension_header(extension)
    assert (header.config.level, header.config.num_frames) == ("without-table", 12)
    before = extension.stat().st_mtime_ns
    assert post_tune("without-table", recipe, tmp_path / "post_tune", "embedded", 1) == extension
    assert extension.stat().st_mtime_ns == before
    longer = replace(recipe, changes={**recipe.changes, "optimizer.steps": 3})
    with pytest.raises(
        ValueError, match=r"without-table_1 was begun with optimizer .*'steps': 2.*: remove that folder"
    ):
        post_tune("without-table", longer, tmp_path / "post_tune", "embedded", 1)
    setting = Setting(tmp_path, "tune", "two-times", Size((1,), 7), {"without-table": recipe})
    assert setting.left_out()["without-table"] == "it makes 12 frames at most"
    assert setting.method("without-table", 1).title == recipe.title
