"""A contact sheet: frames of a clip, spread over it, on one picture."""

from collections.abc import Iterable, Iterator
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw

from exvideo_infer.video_file import Frame, VideoError, check_place, whole

MAX_FRAMES = 16
THUMBNAIL = 256  # pixels, the longer side; smaller frames are shown as they are
COLUMNS = 4
GAP, LABEL = 4, 16  # pixels


class ContactSheet:
    """Keeps some frames of a clip that passes by, small, and draws them in rows, each with its number and time.

    Args:
        num_frames: of the clip; as many as `MAX_FRAMES` of them are kept, the first and the last among them.
        fps: of the clip, for the times.
    """

    def __init__(self, num_frames: int, fps: float) -> None:
        kept = min(MAX_FRAMES, num_frames)
        self.fps = fps
        self._places = {number * (num_frames - 1) // max(1, kept - 1) for number in range(kept)}
        self._thumbnails: dict[int, Image.Image] = {}

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yields the frames as they come, uint8 (height, width, 3), and keeps those that will be shown."""
        for place, pixels in enumerate(frames):
            if place in self._places:
                thumbnail = Image.fromarray(pixels)
                thumbnail.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
                self._thumbnails[place] = thumbnail
            yield pixels

    def draw(self) -> Image.Image:
        """The sheet of what has passed by, in RGB."""
        width, height = next(iter(self._thumbnails.values())).size
        columns = min(COLUMNS, len(self._thumbnails))
        rows = ceil(len(self._thumbnails) / columns)
        cell_width, cell_height = max(width, 72) + GAP, height + LABEL + GAP
        sheet = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), "white")
        draw = ImageDraw.Draw(sheet)
        for number, (place, thumbnail) in enumerate(self._thumbnails.items()):
            left, top = GAP + number % columns * cell_width, GAP + number // columns * cell_height
            sheet.paste(thumbnail, (left, top))
            draw.text((left, top + height + 2), f"{place}: {place / self.fps:.2f} s", "black")
        return sheet

    def save(self, path: Path) -> None:
        """Writes the sheet as PNG; the file appears only when it is whole. Raises VideoError as `check_sheet`."""
        with whole(path) as temporary:
            self.draw().save(temporary, "PNG")


def check_sheet(path: Path) -> None:
    """Raises VideoError if a sheet could not be written: it is no PNG, or its folder is not there."""
    if path.suffix.lower() != ".png":
        raise VideoError(f"{path} does not end in .png: a contact sheet is one.")
    check_place(path)
