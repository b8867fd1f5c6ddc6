"""One picture to look at: for each clip, the real frames, the base's and the extended model's, one under the other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frames = NDArray[np.uint8]  # (frames, height, width, 3), RGB

SCALE = 2
GAP = 4
LABEL_WIDTH = 120
LINE_HEIGHT = 24
FONT_SIZE = 15
BACKGROUND, INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class ClipRows:
    """One clip of the sheet: its title, and the versions of it that are shown as rows, by label, all equally long."""

    title: str
    rows: Mapping[str, Frames]


def shown_frames(num_frames: int, every: int = 5) -> list[int]:
    """Frame 0, every fifth, and the last."""
    return sorted({*range(0, num_frames, every), num_frames - 1})


def write_contact_sheet(path: Path, clips: Sequence[ClipRows]) -> None:
    """Writes a PNG with one block a clip, one row a version, one column a shown frame.

    Raises:
        ValueError: if there is no clip, or two rows differ in length or frame size.
    """
    shapes = {frames.shape for clip in clips for frames in clip.rows.values()}
    if len(shapes) != 1:
        raise ValueError(
            f"The contact sheet's clips have the shapes {sorted(shapes)}: give clips of one length and size."
        )
    ((num_frames, height, width, _),) = shapes
    columns = shown_frames(num_frames)
    cell_width, cell_height = SCALE * width + GAP, SCALE * height + GAP
    block_heights = [LINE_HEIGHT + cell_height * len(clip.rows) for clip in clips]
    sheet = Image.new("RGB", (LABEL_WIDTH + cell_width * len(columns), LINE_HEIGHT + sum(block_heights)), BACKGROUND)
    _draw_heading(sheet, columns, cell_width)
    top = LINE_HEIGHT
    for clip, block_height in zip(clips, block_heights, strict=True):
        _draw_block(sheet, clip, top, columns, (cell_width, cell_height))
        top += block_height
    temporary = path.with_name(f".{path.name}.tmp")
    sheet.save(temporary, format="PNG")
    os.replace(temporary, path)


def _draw_heading(sheet: Image.Image, columns: Sequence[int], cell_width: int) -> None:
    for column, index in enumerate(columns):
        _write(sheet, (LABEL_WIDTH + column * cell_width, 3), f"frame {index}")


def _draw_block(
    sheet: Image.Image, clip: ClipRows, top: int, columns: Sequence[int], cell_size: tuple[int, int]
) -> None:
    _write(sheet, (GAP, top + 3), clip.title)
    for row, (label, frames) in enumerate(clip.rows.items()):
        row_top = top + LINE_HEIGHT + row * cell_size[1]
        _write(sheet, (GAP, row_top + cell_size[1] // 2 - FONT_SIZE), label)
        for column, index in enumerate(columns):
            picture = Image.fromarray(frames[index])
            picture = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (LABEL_WIDTH + column * cell_size[0], row_top))


def _write(sheet: Image.Image, place: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(sheet).multiline_text(place, text, fill=INK, font=ImageFont.load_default(FONT_SIZE))
