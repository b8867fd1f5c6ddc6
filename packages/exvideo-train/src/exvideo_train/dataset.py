"""Long clips from a folder of video files: which there are, and which files were left out and why."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exvideo_infer import VideoError, probe

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


@dataclass(frozen=True)
class Skip:
    """A file that gives no clip, and the reason."""

    path: Path
    reason: str


def find_clips(folder: Path, num_frames: int, clip_stride: int) -> tuple[list[Clip], list[Skip]]:
    """Every clip of a folder, files in the order of their names, and what was left out.

    Args:
        folder: searched with its subfolders.
        num_frames: length of a clip in frames, taken one after the other as the file has them.
        clip_stride: frames from the start of a clip to the start of the next one in the same file.

    Raises:
        UserError: the folder is missing or has no video file.
    """
    if not folder.is_dir():
        raise UserError(f"The folder {folder} does not exist: give a folder of video files.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise UserError(f"The folder {folder} has no video file ({', '.join(sorted(SUFFIXES))}): give one that has.")
    clips: list[Clip] = []
    skips: list[Skip] = []
    for path in paths:
        try:
            info = probe(path)
        except VideoError as error:
            skips.append(Skip(path, str(error)))
            continue
        starts = range(0, info.num_frames - num_frames + 1, clip_stride)
        clips += [Clip(path, start, num_frames, info.fps) for start in starts]
        if not starts:
            skips.append(Skip(path, f"{path} has {info.num_frames} frames, a clip needs {num_frames}."))
    return clips, skips


def require_clips(clips: list[Clip], skips: list[Skip], folder: Path, report: Callable[[Skip], None]) -> None:
    """Reports each file that was left out.

    Raises:
        UserError: nothing is left to train on.
    """
    for skip in skips:
        report(skip)
    if not clips:
        raise UserError(f"No file in {folder} gives a clip ({skips[0].reason}): give longer or undamaged files.")
