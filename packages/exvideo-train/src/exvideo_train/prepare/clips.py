"""The list that training reads, `metadata.jsonl`, whose rows are stretches of the footage or files cut from it."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
from exvideo_infer import iter_frames, write_video
from numpy.typing import NDArray

from exvideo_train.atomic import write_text
from exvideo_train.prepare.analysis import Analysis

MANIFEST = "metadata.jsonl"
BEFORE = "metadata-before-{}.jsonl"
FOLDER = "clips"
_OURS = re.compile(r".*-[0-9]{6}-[0-9]{6}-[0-9a-f]{8}\.mp4")


@dataclass(frozen=True)
class Stretch:
    """A row of the list: frames of a file, the end not included."""

    path: Path
    start: int
    end: int
    split: str
    caption: str | None


def write_manifest(output: Path, stretches: Sequence[Stretch], cut: Sequence[Path] | None) -> Path:
    """Writes the list, for `data.videos` and `validation.videos`; returns its path.

    Args:
        output: its folder.
        stretches: the rows, in their order.
        cut: the files that they were cut to, under `output`; None names the footage itself.
    """
    rows = []
    for number, stretch in enumerate(stretches):
        if cut is None:
            row = {"file": str(stretch.path.resolve()), "start": stretch.start, "end": stretch.end}
        else:
            row = {"file": cut[number].relative_to(output).as_posix()}
        row["split"] = stretch.split
        if stretch.caption is not None:
            row["caption"] = stretch.caption
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_text(output / MANIFEST, "".join(rows))
    return output / MANIFEST


def keep_manifest(output: Path) -> Path:
    """Copies the list that is there to a name that is free, as the next takes its place; returns the path."""
    number = 1
    while (path := output / BEFORE.format(number)).exists():
        number += 1
    write_text(path, (output / MANIFEST).read_text(encoding="utf-8-sig"))
    return path


def cut_clips(
    output: Path,
    path: Path,
    analysis: Analysis,
    stretches: Sequence[Stretch],
    size: tuple[int, int] | None,
    progress: Callable[[int, int], None],
) -> list[Path]:
    """Writes each stretch of a file as an MP4 of its own, frame for frame, under `output`; reads the file once.

    Those that are there already are kept.

    Args:
        output: has `FOLDER`, made if missing.
        path: of the file, which all stretches are of, in their order.
        analysis: of it.
        stretches: none overlaps another.
        size: (height, width) in pixels that frames are to cover and are cropped to; their own if None, an odd side
            without its last pixel.
        progress: called with (clips there, clips in all).

    Raises:
        VideoError: the file cannot be read, or a clip cannot be written.
    """
    size = size or (analysis.height // 2 * 2, analysis.width // 2 * 2)
    stat = path.stat()
    source = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{size}"
    digest = sha256(source.encode()).hexdigest()[:8]
    clips = [
        output / FOLDER / f"{path.stem}-{stretch.start:06d}-{stretch.end:06d}-{digest}.mp4" for stretch in stretches
    ]
    missing = [number for number, clip in enumerate(clips) if not clip.is_file()]
    if not missing:
        return clips
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    place = stretches[missing[0]].start
    frames: Iterator[NDArray[np.uint8]] = iter_frames(path, place, stretches[missing[-1]].end - place, size)
    for count, number in enumerate(missing):
        progress(len(clips) - len(missing) + count, len(clips))
        stretch = stretches[number]
        next(islice(frames, stretch.start - place, stretch.start - place), None)
        write_video(clips[number], islice(frames, stretch.end - stretch.start), analysis.fps)
        place = stretch.end
    return clips


def remove_others(output: Path, clips: Sequence[Path]) -> None:
    """Removes clips that other settings have left, and no other file."""
    for path in (output / FOLDER).glob("*.mp4"):
        if path not in clips and _OURS.fullmatch(path.name):
            path.unlink()
