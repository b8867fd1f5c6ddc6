"""The contact sheet shows the frames that its labels say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from demo.contact_sheet import (
    FONT_SIZE,
    GAP,
    LABEL_WIDTH,
    LINE_HEIGHT,
    SCALE,
    ClipRows,
    shown_frames,
    write_contact_sheet,
)
from tiny_world.world.captions import caption
from tiny_world.world.sampler import sample_spec


def grey_clip(level: int, num_frames: int = 40) -> np.ndarray:
    levels = level + np.arange(num_frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, 16, 16, 3)).copy()


def test_every_fifth_frame_and_the_last_are_shown() -> None:
    assert shown_frames(40) == [0, 5, 10, 15, 20, 25, 30, 35, 39]
    assert shown_frames(11) == [0, 5, 10]


def test_each_cell_holds_its_frame(tmp_path: Path) -> None:
    clips = [
        ClipRows("one", {"real": grey_clip(0), "before": grey_clip(50), "after": grey_clip(100)}),
        ClipRows("two", {"real": grey_clip(150), "before": grey_clip(180), "after": grey_clip(210)}),
    ]
    write_contact_sheet(tmp_path / "sheet.png", clips)
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    cell = SCALE * 16 + GAP
    top = LINE_HEIGHT
    for clip in clips:
        for row, frames in enumerate(clip.rows.values()):
            middle_y = top + LINE_HEIGHT + row * cell + cell // 2
            for column, index in enumerate(shown_frames(40)):
                shown = pixels[middle_y, LABEL_WIDTH + column * cell + cell // 2]
                assert (shown == frames[index, 0, 0]).all()
        top += LINE_HEIGHT + cell * len(clip.rows)
    assert pixels.shape[0] == top


def test_labels_are_drawn(tmp_path: Path) -> None:
    for label in ("before", "after"):
        write_contact_sheet(tmp_path / f"{label}.png", [ClipRows("clip", {label: grey_clip(0)})])
    before, after = (np.asarray(Image.open(tmp_path / f"{label}.png")) for label in ("before", "after"))
    assert before[:, :LABEL_WIDTH].min() < 100
    assert (before[:, :LABEL_WIDTH] != after[:, :LABEL_WIDTH]).any()
    assert (before[:, LABEL_WIDTH:] == after[:, LABEL_WIDTH:]).all()


def test_rows_of_different_length_are_refused(tmp_path: Path) -> None:
    clip = ClipRows("clip", {"real": grey_clip(0), "before": grey_clip(0, num_frames=8)})
    with pytest.raises(ValueError, match="one length"):
        write_contact_sheet(tmp_path / "sheet.png", [clip])
    assert not (tmp_path / "sheet.png").exists()


def test_the_longest_caption_of_the_world_has_room() -> None:
    font = ImageFont.load_default(FONT_SIZE)
    captions = [caption(sample_spec(0, index, "held_out")) for index in range(200)]
    room = LABEL_WIDTH + len(shown_frames(40)) * (SCALE * 64 + GAP)
    assert GAP + max(font.getlength(text) for text in captions) < room
