"""Clips for people to look at: a row a clip under its caption, a column a frame."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import product
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tiny_world.world.captions import caption
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.render import render
from tiny_world.world.sampler import SPLITS, sample_spec
from tiny_world.world.spec import EVENTS, ClipSpec

CAPTION_HEIGHT, GAP = 16, 3  # pixels


def contact_sheet(clips: Sequence[NDArray[np.uint8]], captions: Sequence[str], numbers: Sequence[int]) -> Image.Image:
    """A picture of some frames of some clips.

    Args:
        clips: each uint8 (frames, height, width, 3), all of one height and width.
        captions: one a clip, written above it.
        numbers: of the frames shown, from left to right.

    Raises:
        ValueError: there is no clip, not one caption a clip, or a clip without one of the frames.
    """
    if not clips or len(clips) != len(captions):
        raise ValueError(f"There are {len(clips)} clips and {len(captions)} captions: give one caption a clip.")
    shortest = min(len(clip) for clip in clips)
    if not numbers or not 0 <= min(numbers) <= max(numbers) < shortest:
        raise ValueError(f"Frames {list(numbers)} were asked for, and a clip has {shortest}: give numbers below that.")
    height, width = clips[0].shape[1:3]
    row_height = CAPTION_HEIGHT + height + GAP
    font = ImageFont.load_default(11)
    text_width = ceil(max(font.getlength(text) for text in captions))
    sheet_width = max(GAP + len(numbers) * (width + GAP), text_width + 2 * GAP)
    sheet = Image.new("RGB", (sheet_width, len(clips) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (clip, text) in enumerate(zip(clips, captions, strict=True)):
        draw.text((GAP, row * row_height + 1), text, fill="black", font=font)
        for column, number in enumerate(numbers):
            place = (GAP + column * (width + GAP), row * row_height + CAPTION_HEIGHT)
            sheet.paste(Image.fromarray(clip[number]), place)
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws clips of the world without writing them; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.world.contact_sheet", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="PNG")
    parser.add_argument("--clips", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the world; default: %(default)s")
    parser.add_argument("--split", choices=SPLITS, default="train", help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=40, metavar="T", help="a clip; default: %(default)s")
    parser.add_argument("--every", type=int, default=5, help="of these frames, which are shown; default: %(default)s")
    parser.add_argument("--events", nargs="+", choices=tuple(EVENTS), help="clips with each of these")
    parser.add_argument("--duration", type=int, nargs="+", metavar="FRAMES", help="of each event; each of these")
    options = parser.parse_args(arguments)
    try:
        if min(options.every, options.frames) < 1:
            raise ValueError(f"--every is {options.every} and --frames {options.frames}: give at least 1 of each.")
        numbers = sorted({*range(0, options.frames, options.every), options.frames - 1})
        specs = _specs(options)
        clips = [render(spec, options.frames) for spec in specs]
        sheet = contact_sheet(clips, [caption(spec) for spec in specs], numbers)
        _save(sheet, options.output)
    except (ValueError, OSError) as error:
        print(f"contact_sheet: {error}", file=sys.stderr)
        return 2
    print(options.output)
    return 0


def _specs(options: argparse.Namespace) -> list[ClipSpec]:
    if (options.events is None) != (options.duration is None):
        raise ValueError("One of --events and --duration is given without the other: give both, or none.")
    numbers = range(options.clips)
    if options.events is None:
        return [sample_spec(options.seed, index, options.split) for index in numbers]
    dials = product(options.events, options.duration)
    return [sample_event(options.seed, index, *dial, options.split) for dial in dials for index in numbers]


def _save(sheet: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        sheet.save(temporary, format="PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
