"""Long clips from a folder of video files: which there are, and which files are too short."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exvideo_train.data.scan import VideoFile
from exvideo_train.errors import UserError

SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"}


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

    def name_in(self, folder: Path) -> str:
        """The clip's file in a folder that holds it, and its start: "sub/a.mp4@16"."""
        return f"{self.path.relative_to(folder).as_posix()}@{self.start}"


@dataclass(frozen=True)
class Skip:
    """A file that gives no clip, and the reason."""

    path: Path
    reason: str


def find_files(key: str, folder: Path) -> list[Path]:
    """The video files of a folder and its subfolders, in the order of their names.

    Args:
        key: of the folder in the configuration.
        folder: to be searched.

    Raises:
        UserError: the folder is missing or has no video file.
    """
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{key}: {folder} {problem}: give a folder of video files.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise UserError(
            f"{key}: the folder {folder} has no video file ({', '.join(sorted(SUFFIXES))}): give one that has."
        )
    return paths


def cut_clips(files: Mapping[Path, VideoFile], num_frames: int, clip_stride: int) -> tuple[list[Clip], list[Skip]]:
    """Every clip of some files, in their order, and the files that are too short.

    Args:
        files: by their paths.
        num_frames: length of a clip in frames, taken one after the other as the file has them.
        clip_stride: frames from the start of a clip to the start of the next one in the same file.
    """
    clips: list[Clip] = []
    skips: list[Skip] = []
    for path, file in files.items():
        starts = range(0, file.num_frames - num_frames + 1, clip_stride)
        clips += [Clip(path, start, num_frames, file.fps) for start in starts]
        if not starts:
            skips.append(Skip(path, f"{path} has {file.num_frames} frames, a clip needs {num_frames}."))
    return clips, skips


def require_clips(clips: list[Clip], folder: Path, reasons: list[str]) -> None:
    """Raises UserError if a folder gives no clip, with the first of the reasons why its files do not."""
    if not clips:
        raise UserError(f"No file in {folder} gives a clip ({reasons[0]}): give longer or undamaged files.")
