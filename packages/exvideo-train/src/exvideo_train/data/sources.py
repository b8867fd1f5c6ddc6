"""The folders that a run takes clips from. They share no file and no content: held-out clips are never trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exvideo_train.config import TrainConfig
from exvideo_train.data.dataset import find_files
from exvideo_train.data.scan import VideoFile
from exvideo_train.errors import UserError

_TRAINING, _HELD_OUT = "data.videos", "validation.videos"
_NAMED = 3


@dataclass(frozen=True)
class Source:
    """A folder of video files.

    Args:
        key: of the folder in the configuration.
        folder: searched with its subfolders.
        clip_stride: frames from the start of a clip to the start of the next one in the same file.
        max_clips: the first so many are taken; all if None.
    """

    key: str
    folder: Path
    clip_stride: int
    max_clips: int | None = None


def sources_of(config: TrainConfig) -> list[Source]:
    """The folder of the training clips, and that of the held-out clips if the run has any."""
    sources = [Source(_TRAINING, config.data.videos, config.data.clip_stride)]
    if config.validation is not None:
        section = config.validation
        sources.append(Source(_HELD_OUT, section.videos, section.clip_stride, section.max_clips))
    return sources


def check_folders(config: TrainConfig) -> None:
    """Looks at the folders and reads no video: to be called before anything slow.

    Raises:
        UserError: a folder is missing or has no video file, or a file is both trained on and held out: under one of the
            folders inside the other, or by a link.
    """
    training, *others = [(source, find_files(source.key, source.folder)) for source in sources_of(config)]
    trained_on = {path.resolve() for path in training[1]}
    for source, paths in others:
        both = [str(path) for path in paths if path.resolve() in trained_on]
        if both:
            raise UserError(
                f"{source.key} ({source.folder}) and {training[0].key} ({training[0].folder}) share {_files(both)}: "
                "held-out clips are never trained on, so give two folders, neither inside the other."
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
