"""A clip as a folder of PNG pictures, 00000.png and on."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, PngImagePlugin

from exvideo_infer.video_file.kinds import Frame, writing
from exvideo_infer.video_file.metadata import PNG_KEYWORD


def write_png_frames(folder: Path, frames: Iterable[Frame], comment: str | None, name: str | Path) -> int:
    """Writes each frame to a picture of its own; returns how many.

    Args:
        folder: to be made.
        frames: uint8 (height, width, 3), RGB.
        comment: a text chunk of each picture; None leaves it out.
        name: of the folder, for errors.

    Raises:
        VideoError: the disk is full.
    """
    text = PngImagePlugin.PngInfo()
    if comment is not None:
        text.add_text(PNG_KEYWORD, comment)
    with writing(name):
        folder.mkdir()
    count = 0
    for pixels in frames:
        with writing(name):
            Image.fromarray(pixels).save(folder / f"{count:05}.png", pnginfo=text)
        count += 1
    return count
