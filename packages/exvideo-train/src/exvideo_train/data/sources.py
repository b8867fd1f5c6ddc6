"""The folders and lists that clips come from. They share no file: held-out clips are never trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exvideo_train.config import TrainConfig
from exvideo_train.data.dataset import find_files
from exvideo_train.data.manifest import HELD_OUT, TRAINING, Entry, is_manifest, read_manifest
from exvideo_train.data.scan import VideoFile
from exvideo_train.errors import UserError

_TRAINING, _HELD_OUT = "data.videos", "validation.videos"
_NAMED = 3


@dataclass(frozen=True)
class Source:
    """A folder of video files, or a list of stretches of them.

    Args:
        key: of it in the configuration.
        videos: the folder, searched with its subfolders, or the list.
        split: the rows of a list that are meant.
        clip_stride: frames from the start of a clip to the start of the next one in the same stretch.
        max_clips: the first so many are taken; all if None.
    """

    key: str
    videos: Path
    split: str
    clip_stride: int
    max_clips: int | None = None

    @property
    def folder(self) -> Path:
        """The folder that files are named in."""
        return self.videos.parent if is_manifest(self.videos) else self.videos

    def entries(self) -> list[Entry]:
        """Whole files of a folder, or the rows of a list; reads no video.

        Raises:
            UserError: there is no video file, or the list is not as it must be.
        """
        if is_manifest(self.videos):
            return read_manifest(self.key, self.videos, self.split)
        return [Entry(path) for path in find_files(self.key, self.videos)]


def sources_of(config: TrainConfig) -> list[Source]:
    """Those of the training clips, and of the held-out clips if the run has any."""
    sources = [Source(_TRAINING, config.data.videos, TRAINING, config.data.clip_stride)]
    if config.validation is not None:
        section = config.validation
        sources.append(Source(_HELD_OUT, section.videos, HELD_OUT, section.clip_stride, section.max_clips))
    return sources


def check_folders(config: TrainConfig) -> None:
    """Looks at folders and lists and reads no video: to be called before anything slow.

    Raises:
        UserError: a folder is missing or has no video file, a list is not as it must be, or a file is both trained on
            and held out: under one of the folders inside the other, by a link, or in rows of both splits.
    """
    training, *others = [(source, source.entries()) for source in sources_of(config)]
    trained_on = {entry.path.resolve() for entry in training[1]}
    for source, entries in others:
        both = sorted({str(entry.path) for entry in entries if entry.path.resolve() in trained_on})
        if both:
            raise UserError(
                f"{source.key} ({source.videos}) and {training[0].key} ({training[0].videos}) share {_files(both)}: "
                "held-out clips are never trained on, so give two folders, neither inside the other, or rows of "
                "different files."
            )


def check_contents(trained_on: Mapping[Path, VideoFile], held_out: Mapping[Path, VideoFile] | None = None) -> None:
    """Compares the hashes of files.

    Args:
        held_out: None in a run without.

    Raises:
        UserError: a file that is held out has the same bytes as one that is trained on.
    """
    by_hash = {file.sha256: path for path, file in reversed(list(trained_on.items()))}
    both = [f"{path} is {by_hash[file.sha256]}" for path, file in (held_out or {}).items() if file.sha256 in by_hash]
    if both:
        raise UserError(
            f"{_HELD_OUT} and {_TRAINING} have the same bytes in {_files(both)}: held-out clips are never trained on, "
            "so remove them from one of the two."
        )


def _files(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} file{'s' * (len(names) > 1)} ({', '.join(names[:_NAMED])}{more})"
