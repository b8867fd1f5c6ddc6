"""Long clips from a folder of video files: which there are, and which files give none."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exvideo_train.data.manifest import Entry
from exvideo_train.data.scan import VideoFile
from exvideo_train.errors import UserError

# Of captions and lists beside the videos. Any other file is taken for a video until it is read.
BESIDE = {".txt", ".json", ".jsonl", ".csv"}


@dataclass(frozen=True)
class Clip:
    """`num_frames` consecutive frames of a file, from `start`; `fps` is the file's.

    Args:
        caption: what a base that reads text is given; None for the empty prompt, and for a base that reads none.
    """

    path: Path
    start: int
    num_frames: int
    fps: float
    caption: str | None = None

    @property
    def places(self) -> range:
        """Places of its frames in the file."""
        return range(self.start, self.start + self.num_frames)

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
    entries: Sequence[Entry], files: Mapping[Path, VideoFile], num_frames: int, clip_stride: int
) -> tuple[list[Clip], list[Skip]]:
    """Every clip of some stretches, in their order; and those that are too short, and clips that hold damaged frames.

    Args:
        entries: stretches; those of files that could not be read are passed over.
        files: that could be read, by their paths.
        num_frames: length of a clip in frames, taken one after the other as the file has them.
        clip_stride: frames from the start of a clip to the start of the next one in the same stretch.

    Raises:
        UserError: two stretches give the same clip.
    """
    clips: dict[tuple[Path, int], Clip] = {}
    skips: list[Skip] = []
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
        length = (file.num_frames if entry.end is None else entry.end) - entry.start
        starts = range(entry.start, entry.start + length - num_frames + 1, clip_stride)
        whole = [start for start in starts if not any(start <= place < start + num_frames for place in file.damaged)]
        for start in whole:
            if (path, start) in clips:
                raise UserError(f"The clip of {path} from frame {start} is in two rows: give stretches that differ.")
            clips[path, start] = Clip(path, start, num_frames, entry.fps or file.fps, entry.caption)
        if not starts:
            skips.append(Skip(path, f"{path} has {length} frames, a clip needs {num_frames}."))
        elif len(whole) < len(starts):
            lost, clip = len(starts) - len(whole), "clip" if len(starts) == 1 else "clips"
            reason = f"{path} has damaged frames in {lost} of its {len(starts)} {clip}, which are left out."
            skips.append(Skip(path, reason, damaged=True))
    return list(clips.values()), skips


def require_clips(clips: list[Clip], folder: Path, reasons: list[str]) -> None:
    """Raises UserError if a folder gives no clip, with the first of the reasons why its files do not."""
    if not clips:
        raise UserError(f"No file in {folder} gives a clip ({reasons[0]}): give longer or undamaged files.")
