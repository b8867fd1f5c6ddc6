"""A contact sheet: a row a clip and who made it, frames from the first to the last, each row under its own name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from exvideo_infer import iter_frames, probe

from exvideo_train.atomic import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = 8
HEIGHT = 112  # of a frame, at most, in pixels
MARGIN, LABEL, LINE = 8, 110, 18


def draw_sheet(path: Path, clips: Mapping[str, Mapping[str, Path]], title: str) -> None:
    """Writes a sheet as PNG, to a temporary name first.

    Args:
        clips: by label, and in it, video files by the words for who made them: "held out", "base", "step 100".
        title: of the sheet.
    """
    from PIL import Image, ImageDraw

    rows = {label: {who: _thumbnails(file) for who, file in files.items()} for label, files in clips.items()}
    frames = [pictures for group in rows.values() for pictures, _ in group.values()]
    width, height = max(pictures[0].width for pictures in frames), HEIGHT
    columns = max(len(pictures) for pictures in frames)
    sheet_width = LABEL + columns * (width + 2) + 2 * MARGIN
    group_heights = [2 * LINE + len(group) * (height + 2) + MARGIN for group in rows.values()]
    sheet = Image.new("RGB", (sheet_width, MARGIN + LINE + sum(group_heights)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, fill="black", font=_font(14))
    top = MARGIN + LINE
    for (label, group), group_height in zip(rows.items(), group_heights, strict=True):
        _draw_group(sheet, draw, top, label, group)
        top += group_height
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _draw_group(sheet: "Image", draw: Any, top: int, label: str, group: "Mapping[str, Thumbnails]") -> None:
    pictures, numbers = next(iter(group.values()))
    width, height = pictures[0].size
    draw.text((MARGIN, top), _fitted(label, sheet.width - 2 * MARGIN, draw), fill="black", font=_font(13))
    for column, number in enumerate(numbers):
        draw.text((MARGIN + LABEL + column * (width + 2), top + LINE), str(number), fill="#666666", font=_font(11))
    for row, (who, (pictures, _)) in enumerate(group.items()):
        y = top + 2 * LINE + row * (height + 2)
        draw.text((MARGIN, y + height // 2 - 8), who, fill="black", font=_font(13))
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (MARGIN + LABEL + column * (width + 2), y))


Thumbnails = tuple["list[Image]", list[int]]  # the pictures, and their frames' numbers


def _thumbnails(file: Path) -> Thumbnails:
    """Frames of a clip, evenly from the first to the last."""
    from PIL import Image

    numbers = np.unique(np.linspace(0, probe(file).num_frames - 1, COLUMNS).round().astype(int)).tolist()
    wanted = set(numbers)
    frames = (frame for number, frame in enumerate(iter_frames(file)) if number in wanted)
    pictures = [Image.fromarray(np.asarray(frame)) for frame in frames]
    scale = HEIGHT / pictures[0].height
    size = (max(1, round(scale * pictures[0].width)), HEIGHT)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return [picture.resize(size, method) for picture in pictures], numbers


def _fitted(text: str, width: int, draw: Any) -> str:
    """A text cut to a width in pixels."""
    while text and draw.textlength(text, font=_font(13)) > width:
        text = text[:-2].rstrip(".") + "..." if len(text) > 5 else ""
    return text


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
