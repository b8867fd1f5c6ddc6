"""The clips of the documentation, by what ships: `python -m demo.gallery`, four minutes on two cores.

Of each prompt of `docs/gallery/clips.json` 40 frames with the shipped extension, NAME.mp4, and 40 by the base alone,
NAME-base.mp4, both from seed 0; and `docs/images/before_after.webp`, some of them side by side.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from exvideo_infer import iter_frames
from PIL import Image, ImageDraw, ImageFont

from tiny_world.programs import run_program

LIST = Path("docs/gallery/clips.json")
PICTURE = Path("docs/images/before_after.webp")
SHOWN = ("hides", "orbits", "bounces")
FRAMES, MILLISECONDS = 40, 125
SIDE, GAP, HEADING, LINES = 192, 8, 24, 36  # pixels
INK, PAPER, FONT_SIZE, CHARACTERS = "black", "white", 13, 60
HEADINGS = ("40 frames, without ExVideo", "40 frames, with its extension")


def commands(prompts: dict[str, str], folder: Path) -> list[list[str]]:
    """Arguments of exvideo-generate for each clip of `folder`: of each prompt with the extension, then without."""
    made = []
    for name, prompt in prompts.items():
        made.append(["--prompt", prompt, "--extension", "embedded", "-o", str(folder / f"{name}.mp4")])
        made.append(["--prompt", prompt, "--num-frames", str(FRAMES), "-o", str(folder / f"{name}-base.mp4")])
    return made


def write_before_after(path: Path, prompts: dict[str, str], folder: Path) -> None:
    """Writes an animated WebP: a row a prompt, the clip by the base alone beside that with the extension."""
    rows = [[list(iter_frames(folder / f"{name}{end}.mp4")) for end in ("-base", "")] for name in prompts]
    width, step = 2 * SIDE + GAP, SIDE + LINES + GAP
    canvas = Image.new("RGB", (width, HEADING + step * len(rows) - GAP), PAPER)
    for column, heading in enumerate(HEADINGS):
        _write(canvas, (column * (SIDE + GAP) + SIDE // 2, HEADING // 2), heading)
    for row, prompt in enumerate(prompts.values()):
        words = textwrap.fill(f'"{prompt}"', CHARACTERS)
        _write(canvas, (width // 2, HEADING + row * step + LINES // 2), words)
    pictures = []
    for frame in range(FRAMES):
        picture = canvas.copy()
        for row, clips in enumerate(rows):
            for column, clip in enumerate(clips):
                cell = Image.fromarray(np.asarray(clip[frame])).resize((SIDE, SIDE), Image.Resampling.NEAREST)
                picture.paste(cell, (column * (SIDE + GAP), HEADING + row * step + LINES))
        pictures.append(picture)
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=MILLISECONDS, loop=0, quality=70, method=6
    )


def _write(picture: Image.Image, centre: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(picture).text(centre, text, INK, ImageFont.load_default(FONT_SIZE), anchor="mm", align="center")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes all clips and the picture anew; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.gallery", description="The clips of the documentation.")
    parser.add_argument("--output", type=Path, default=LIST.parent, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--picture", type=Path, default=PICTURE, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args(arguments)
    prompts = json.loads(LIST.read_text(encoding="utf-8"))
    options.output.mkdir(parents=True, exist_ok=True)
    for command in commands(prompts, options.output):
        run_program("exvideo_infer", *command)
    write_before_after(options.picture, {name: prompts[name] for name in SHOWN}, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
