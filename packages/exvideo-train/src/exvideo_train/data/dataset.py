"""Long clips from a folder of video files: which there are, and which files give none."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
        caption: what a base that reads text is given; None for the empty prompt, and for a base that reads none.
        sampled: places of its frames in the file; None for consecutive ones.
    """

    path: Path
    start: int
    num_frames: int
    fps: float
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


def cut_clips(
    entries: Sequence[Entry],
    files: Mapping[Path, VideoFile],
    num_frames: int,
    clip_stride: int,
    fps: float | None = None,
    frame_stride: int = 1,
) -> tuple[list[Clip], list[Skip]]:
    """Every clip of some stretches, in their order; and those that are too short, and clips that hold damaged frames.

    Args:
        entries: stretches; those of files that could not be read are passed over.
        files: that could be read, by their paths.
        num_frames: length of a clip in frames.
        clip_stride: frames from the start of a clip to the start of the next one in the same stretch.
        fps: frames a second that a file's frames are chosen at; None for all, as the file has them.
        frame_stride: of these, each so many is taken.

    Raises:
        UserError: two stretches give the same clip.
    """
    clips: dict[tuple[Path, int], Clip] = {}
    skips: list[Skip] = []
    span = (num_frames - 1) * frame_stride + 1
    for entry in entries:
        path, file = entry.path, files.get(entry.path)
        if file is None:
            continue
        if max(entry.start, entry.end or 0) > file.num_frames:
            reason = (
                f"{path} has {file.num_frames} frames, and its row asks for {entry.start} to {entry.end or 'the end'}."
            )
            skips.append(Skip(path, reason))
            continue
        line = timeline_of(file, entry.fps or file.fps, fps)
        first = bisect_left(line.places, entry.start)
        end = len(line.places) if entry.end is None else bisect_left(line.places, entry.end)
        starts = range(first, end - span + 1, clip_stride)
        taken = {start: line.places[start : start + span : frame_stride] for start in starts}
        whole = [start for start in starts if not any(place in taken[start] for place in file.damaged)]
        plain = frame_stride == 1 and not line.converted
        for start in whole:
            if (path, start) in clips:
                raise UserError(f"The clip of {path} from frame {start} is in two rows: give stretches that differ.")
            sampled = None if plain else taken[start]
            clips[path, start] = Clip(path, start, num_frames, line.fps / frame_stride, entry.caption, sampled)
        if not starts:
            rate = f" at {fps:g} a second" if line.converted else ""
            skips.append(Skip(path, f"{path} has {end - first} frames{rate}, a clip needs {span}."))
        elif len(whole) < len(starts):
            lost, clip = len(starts) - len(whole), "clip" if len(starts) == 1 else "clips"
            reason = f"{path} has damaged frames in {lost} of its {len(starts)} {clip}, which are left out."
            skips.append(Skip(path, reason, damaged=True))
    return list(clips.values()), skips


def require_clips(clips: list[Clip], folder: Path, reasons: list[str]) -> None:
    """Raises UserError if a folder gives no clip, with the first of the reasons why its files do not."""
    if not clips:
        raise UserError(f"No file in {folder} gives a clip ({reasons[0]}): give longer or undamaged files.")
