"""The folders and lists that clips come from. They share no frame: held-out clips are never trained on."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from exvideo_train.config import TrainConfig
from exvideo_train.data.dataset import Clip, find_files
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
        UserError: a folder is missing or has no video file, a list is not as it must be, or frames of a file are both
            trained on and held out: under one of the folders inside the other, by a link, or in rows of both splits.
    """
    training, *others = [(source, source.entries()) for source in sources_of(config)]
    trained_on = _by_key((entry.path.resolve(), (entry.start, entry.end)) for entry in training[1])
    for source, entries in others:
        held_out = _by_key((entry.path.resolve(), (entry.start, entry.end)) for entry in entries)
        shared = {path for path, spans in held_out.items() if _overlap(trained_on[path], spans)}
        both = sorted({str(entry.path) for entry in entries if entry.path.resolve() in shared})
        if both:
            raise UserError(
                f"{source.key} ({source.videos}) and {training[0].key} ({training[0].videos}) share {_files(both)}: "
                "held-out clips are never trained on, so give two folders, neither inside the other, or rows that "
                "have no frame in common."
            )


def check_contents(files: Mapping[Path, VideoFile], trained_on: Sequence[Clip], held_out: Sequence[Clip] = ()) -> None:
    """Compares the hashes of files.

    Args:
        files: those of the clips.
        trained_on, held_out: the clips; none are held out in a run without validation.

    Raises:
        UserError: a clip that is held out has a frame of one that is trained on, in a file of the same bytes.
    """
    training, others = (
        _by_key((files[clip.path].sha256, (clip.places[0], clip.places[-1] + 1)) for clip in clips)
        for clips in (trained_on, held_out)
    )
    shared = {digest for digest, spans in others.items() if _overlap(training[digest], spans)}
    by_hash = {files[clip.path].sha256: clip.path for clip in reversed(trained_on)}
    paths = [path for path in dict.fromkeys(clip.path for clip in held_out) if files[path].sha256 in shared]
    if paths:
        both = [f"{path} is {by_hash[files[path].sha256]}" for path in paths]
        raise UserError(
            f"{_HELD_OUT} and {_TRAINING} have the same bytes in {_files(both)}: held-out clips are never trained on, "
            "so remove them from one of the two."
        )


_Span = tuple[int, int | None]  # first frame, and the one after the last; None for the end of the file


def _by_key(spans: Iterable[tuple[Hashable, _Span]]) -> defaultdict[Hashable, list[_Span]]:
    found: defaultdict[Hashable, list[_Span]] = defaultdict(list)
    for key, span in spans:
        found[key].append(span)
    return found


def _overlap(one: Iterable[_Span], other: Iterable[_Span]) -> bool:
    """True if a span of one list has a frame of a span of the other."""
    reached = [0.0, 0.0]
    for start, end, side in sorted(
        (start, inf if end is None else end, side) for side, spans in enumerate((one, other)) for start, end in spans
    ):
        if start < reached[1 - side]:
            return True
        reached[side] = max(reached[side], end)
    return False


def _files(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} file{'s' * (len(names) > 1)} ({', '.join(names[:_NAMED])}{more})"
