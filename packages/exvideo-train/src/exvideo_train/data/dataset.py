"""Long clips from a folder of video files: which there are, and which files give none."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from exvideo_train.data.manifest import Entry
from exvideo_train.data.scan import VideoFile
from exvideo_train.data.timeline import timeline_of
from exvideo_train.errors import UserError

# Of captions and lists beside the videos. Any other file is taken for a video until it is read.
BESIDE = {".txt", ".json", ".jsonl", ".csv"}


@dataclass(frozen=True)
class Clip:
    """`num_frames` frames of a file, from `start`, at `fps` frames a second.

    Args:
        start: place of the first one in the file, or in its timeline where it has another rate than the file.
        size: (height, width) that its frames are resized and cropped to, in pixels.
        caption: what a base that reads text is given; None for the empty prompt, and for a base that reads none.
        sampled: places of its frames in the file; None for consecutive ones.
    """

    path: Path
    start: int
    num_frames: int
    fps: float
    size: tuple[int, int]
    caption: str | None = None
    sampled: Sequence[int] | None = None

    @property
    def places(self) -> Sequence[int]:
        """Places of its frames in the file, rising."""
        return range(self.start, self.start + self.num_frames) if self.sampled is None else self.sampled

    def name_in(self, folder: Path) -> str:
        """The clip's file in a folder that holds it, and its start: "sub/a.mp4@16"."""
        return f"{name_in(folder, self.path)}@{self.start}"


@dataclass(frozen=True)
class Skip:
    """A file that gives no clip, or fewer than it could, and the reason; `damaged` if it is not only too short."""

    path: Path
    reason: str
    damaged: bool = False


def find_files(key: str, folder: Path) -> list[Path]:
    """The files of a folder and its subfolders that may be videos, in the order of their names.

    Those are all but hidden ones, captions and lists (`BESIDE`): a file that turns out to be none is named later.

    Args:
        key: of the folder in the configuration.
        folder: to be searched.

    Raises:
        UserError: the folder is missing or has no video file.
    """
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{key}: {folder} {problem}: give a folder of video files, or a list (.jsonl, .csv, .json).")
    paths = sorted(
        path
        for path in _all_files(folder)
        if path.suffix.lower() not in BESIDE and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise UserError(f"{key}: the folder {folder} has no video file: give one that has.")
    return paths


def _all_files(folder: Path) -> Iterator[Path]:
    """Files of a folder and its subfolders. Links to folders are followed last, and no folder is entered twice."""
    pending, entered = [str(folder)], set()
    while pending:
        for place, folders, names in os.walk(pending.pop(0)):
            here = os.path.realpath(place)
            if here in entered:
                folders.clear()
                continue
            entered.add(here)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = [os.path.join(place, name) for name in folders]
            pending += [path for path in below if os.path.islink(path)]
            yield from (Path(place) / name for name in names)


def name_in(folder: Path, path: Path) -> str:
    """A file's name in a folder that holds it, "sub/a.mp4"; its path where it lies elsewhere, as a list can say."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


@dataclass(frozen=True)
class Cutting:
    """The way that clips are cut.

    Args:
        lengths: of clips in frames, from the longest on: a stretch gives clips of the first that it can hold.
        sizes: (height, width) in pixels: a file's clips have the one of the nearest aspect ratio.
        clip_stride: frames from the start of a clip to the start of the next one in the same stretch.
        fps: frames a second that a file's frames are chosen at; None for all, as the file has them.
        frame_stride: of these, each so many is taken.
    """

    lengths: Sequence[int]
    sizes: Sequence[tuple[int, int]]
    clip_stride: int
    fps: float | None = None
    frame_stride: int = 1

    def span(self, length: int) -> int:
        """Frames from the first to the last of a clip."""
        return (length - 1) * self.frame_stride + 1


def cut_clips(
    entries: Sequence[Entry], files: Mapping[Path, VideoFile], cutting: Cutting
) -> tuple[list[Clip], list[Skip]]:
    """Every clip of some stretches, in their order; and those that are too short, and clips that hold damaged frames.

    Args:
        entries: stretches; those of files that could not be read are passed over.
        files: that could be read, by their paths.

    Raises:
        UserError: two stretches give the same clip.
    """
    clips: dict[tuple[Path, int], Clip] = {}
    skips: list[Skip] = []
    for entry in entries:
        file = files.get(entry.path)
        if file is None:
            continue
        found, skip = _cut_stretch(entry, file, cutting)
        if skip is not None:
            skips.append(skip)
        for clip in found:
            if (clip.path, clip.start) in clips:
                raise UserError(
                    f"The clip of {clip.path} from frame {clip.start} is in two rows: give stretches that differ."
                )
            clips[clip.path, clip.start] = clip
    return list(clips.values()), skips


def _cut_stretch(entry: Entry, file: VideoFile, cutting: Cutting) -> tuple[list[Clip], Skip | None]:
    path = entry.path
    if max(entry.start, entry.end or 0) > file.num_frames:
        rows = f"its row asks for {entry.start} to {entry.end or 'the end'}"
        return [], Skip(path, f"{path} has {file.num_frames} frames, and {rows}.")
    line = timeline_of(file, entry.fps or file.fps, cutting.fps)
    first = bisect_left(line.places, entry.start)
    end = len(line.places) if entry.end is None else bisect_left(line.places, entry.end)
    fitting = [length for length in cutting.lengths if cutting.span(length) <= end - first]
    if not fitting:
        rate = f" at {cutting.fps:g} a second" if line.converted else ""
        needed = cutting.span(cutting.lengths[-1])
        return [], Skip(path, f"{path} has {end - first} frames{rate}, a clip needs {needed}.")
    skip = None
    for length in fitting:
        count, whole = _whole_clips(line.places[first:end], length, set(file.damaged), cutting)
        if len(whole) < count and skip is None:
            reason = f"damaged frames in {count - len(whole)} of its {count} {'clip' if count == 1 else 'clips'}"
            skip = Skip(path, f"{path} has {reason}, which are left out.", damaged=True)
        if whole:
            break
    plain = cutting.frame_stride == 1 and not line.converted
    size, fps = nearest_size(file.shape, cutting.sizes), line.fps / cutting.frame_stride
    return [
        Clip(path, first + start, length, fps, size, entry.caption, None if plain else places)
        for start, places in whole.items()
    ], skip


def _whole_clips(
    places: Sequence[int], length: int, damaged: Set[int], cutting: Cutting
) -> tuple[int, dict[int, Sequence[int]]]:
    """The number of clips of a length in a stretch of frames; and, by start, the places of those without damage."""
    span = cutting.span(length)
    starts = range(0, len(places) - span + 1, cutting.clip_stride)
    taken = {start: places[start : start + span : cutting.frame_stride] for start in starts}
    return len(starts), {start: own for start, own in taken.items() if damaged.isdisjoint(own)}


def nearest_size(shape: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size whose aspect ratio is nearest to a picture's, so that least is cropped; the first of equally near ones.

    Args:
        shape: (height, width) of the picture, in square pixels.
        sizes: (height, width) each.
    """

    def factor(size: tuple[int, int]) -> Fraction:
        """The ratio of the two aspect ratios, at least 1; exact, so that equal ones are."""
        ratio = Fraction(shape[0] * size[1], shape[1] * size[0])
        return max(ratio, 1 / ratio)

    return sizes[0] if len(sizes) == 1 else min(sizes, key=factor)


def require_clips(clips: list[Clip], folder: Path, reasons: list[str]) -> None:
    """Raises UserError if a folder gives no clip, with the first of the reasons why its files do not."""
    if not clips:
        raise UserError(f"No file in {folder} gives a clip ({reasons[0]}): give longer or undamaged files.")
