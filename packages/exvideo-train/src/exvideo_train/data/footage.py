"""The clips that the folders of a run give, found by all processes together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from exvideo_train.config import TrainConfig
from exvideo_train.data.dataset import Clip, Cutting, Skip, cut_clips, name_in, require_clips
from exvideo_train.data.left_out import LeftOut
from exvideo_train.data.manifest import Entry
from exvideo_train.data.scan import VideoFile, scan
from exvideo_train.data.sharing import Sharing
from exvideo_train.data.sources import Source, check_contents, sources_of
from exvideo_train.data.timeline import timeline_of


@dataclass(frozen=True)
class Footage:
    """The clips of a folder, files in the order of their names.

    Args:
        source: the folder.
        clips: that are to be used.
        files: that could be read.
        skips: files that are too short for a clip, or damaged in some of them.
        left_out: files and clips that could not be read, now or at an earlier start.
        converted: of files whose frames are taken at another rate: their own rate, and the number of frames taken.
    """

    source: Source
    clips: list[Clip]
    files: Mapping[Path, VideoFile]
    skips: list[Skip]
    left_out: list[LeftOut]
    converted: Mapping[Path, tuple[float, int]] = field(default_factory=dict)

    def require_clips(self) -> None:
        """Raises UserError if there is no clip."""
        reasons = [skip.reason for skip in self.skips] + [left_out.reason for left_out in self.left_out]
        require_clips(self.clips, self.source.videos, reasons)


def find_footage(config: TrainConfig, processes: Sharing, before: list[LeftOut]) -> list[Footage]:
    """Every clip of the training folder, and of the held-out one if there is one.

    Every process must call, and gets the same.

    Args:
        before: files among them are not tried.

    Raises:
        UserError: a folder is missing or gives no clip, or a held-out file has the bytes of one that is trained on.
    """
    sources = sources_of(config)
    listed = processes.together(lambda: [source.entries() for source in sources])
    gone = {left_out.key: left_out for left_out in before}
    names = {
        entry.path: (source.key, name_in(source.folder, entry.path), None)
        for source, entries in zip(sources, listed, strict=True)
        for entry in entries
    }
    files, reasons = scan([path for path, name in names.items() if name not in gone], config.cache, processes)
    footage, shapes = [], (config.clip_lengths, config.data.all_sizes)
    for source, entries in zip(sources, listed, strict=True):
        paths = dict.fromkeys(entry.path for entry in entries)
        usable = {path: files[path] for path in paths if path in files}
        cutting = Cutting(*shapes, source.clip_stride, config.data.fps, config.data.frame_stride)
        clips, skips = cut_clips(entries, usable, cutting)
        left_out = [
            gone.get(names[path]) or LeftOut(*names[path], reasons[path]) for path in paths if path not in files
        ]
        footage.append(Footage(source, clips, usable, skips, left_out, _converted(entries, usable, config.data.fps)))
        footage[-1].require_clips()
    check_contents(files, *(part.clips for part in footage))
    return [replace(part, clips=part.clips[: part.source.max_clips]) for part in footage]


def _converted(
    entries: list[Entry], files: Mapping[Path, VideoFile], fps: float | None
) -> dict[Path, tuple[float, int]]:
    rates = {entry.path: entry.fps or files[entry.path].fps for entry in entries if entry.path in files}
    lines = {path: timeline_of(files[path], rate, fps) for path, rate in rates.items()}
    return {path: (rates[path], len(line.places)) for path, line in lines.items() if line.converted}
