"""A picture to look at: a row a scene, its frames and what is known of it."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from textwrap import wrap

import numpy as np
from exvideo_infer import iter_frames
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from exvideo_train.atomic import replacing
from exvideo_train.prepare.analysis import Analysis
from exvideo_train.prepare.scenes import Scene

NAME = "sheet-{:02d}.png"
ROWS = 40  # on a page
COLUMNS = 6
_HEIGHT, _WIDTH, _GAP, _TEXT = 72, 128, 4, 330  # pixels
_FONT, _LINE, _LETTERS = 12, 15, 50
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (150, 150, 150)

Picture = NDArray[np.uint8]  # (height, width, 3), RGB


def shown_places(scene: Scene) -> list[int]:
    """Frames of a scene that are shown: the first, the last, and some between them."""
    return [scene.start + (scene.num_frames - 1) * column // (COLUMNS - 1) for column in range(COLUMNS)]


def pictures_of(path: Path, analysis: Analysis, scenes: Sequence[Scene]) -> dict[int, Picture]:
    """The shown frames of a file by their place, small and whole; reads it once, to the last of them."""
    wanted = {place for scene in scenes for place in shown_places(scene)}
    scale = min(_HEIGHT / analysis.height, _WIDTH / analysis.width)
    size = max(1, round(analysis.height * scale)), max(1, round(analysis.width * scale))
    frames = islice(iter_frames(path, size=size), max(wanted) + 1)
    return {place: frame for place, frame in enumerate(frames) if place in wanted}


def write_sheets(
    output: Path,
    scenes: Sequence[Scene],
    pictures: Mapping[Path, Mapping[int, Picture]],
    rates: Mapping[Path, float],
    captions: Mapping[tuple[Path, int], str],
) -> list[Path]:
    """Writes `ROWS` scenes a page, replacing those of before; returns the pages.

    Args:
        output: folder of the pages.
        scenes: the rows, in their order.
        pictures: by file, as `pictures_of` gives them.
        rates: frames a second of each file.
        captions: by file and first frame of a scene.
    """
    pages = []
    for number in range(math.ceil(len(scenes) / ROWS)):
        rows = scenes[number * ROWS :][:ROWS]
        sheet = Image.new("RGB", (_TEXT + COLUMNS * (_WIDTH + _GAP), len(rows) * (_HEIGHT + _GAP)), _PAPER)
        for row, scene in enumerate(rows):
            lines = _lines(scene, rates[scene.path], captions.get((scene.path, scene.start)))
            _draw(sheet, row * (_HEIGHT + _GAP), scene, pictures[scene.path], lines)
        pages.append(output / NAME.format(number + 1))
        with replacing(pages[-1]) as temporary:
            sheet.save(temporary, format="PNG", optimize=True)
    for path in output.glob("sheet-*.png"):
        if path not in pages:
            path.unlink()
    return pages


def _draw(sheet: Image.Image, top: int, scene: Scene, pictures: Mapping[int, Picture], lines: Sequence[str]) -> None:
    ink = _INK if scene.left_out is None else _FAINT
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines[: _HEIGHT // _LINE]):
        draw.text((_GAP, top + number * _LINE), line, fill=ink, font=ImageFont.load_default(_FONT))
    for column, place in enumerate(shown_places(scene)):
        picture = Image.fromarray(pictures[place])
        if scene.left_out is not None:
            picture = Image.blend(picture, Image.new("RGB", picture.size, _PAPER), 0.6)
        sheet.paste(picture, (_TEXT + column * (_WIDTH + _GAP), top))


def _lines(scene: Scene, fps: float, caption: str | None) -> list[str]:
    seconds = f"{_clock(scene.start / fps)} to {_clock(scene.end / fps)}"
    state = scene.split if scene.left_out is None else f"left out: {scene.left_out}"
    lines = [
        *wrap(scene.path.name, _LETTERS)[:1],
        f"scene {scene.number}, frames {scene.start} to {scene.end - 1}, {seconds}",
        *wrap(state, _LETTERS),
    ]
    return [*lines, *wrap(caption or "", _LETTERS)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
