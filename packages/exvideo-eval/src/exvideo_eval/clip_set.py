"""Folders of video files, measured: features of windows and curves of clips, and what had to be left out."""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exvideo_eval.execution import Execution
from exvideo_eval.file_cache import FileCache, StoredFeatures
from exvideo_eval.folder import clip_name, list_files, nothing_usable
from exvideo_eval.measured_file import Array, FirstClip, Instruments, MeasuredFile, measure_file
from exvideo_eval.pairs import source_of
from exvideo_eval.result_parts import Skipped
from exvideo_eval.sidecar import SidecarError, read_sidecar
from exvideo_eval.statistics import Clips
from exvideo_eval.tiny_world.judgement import ClipJudgement
from exvideo_eval.tiny_world.truth import truth_of
from exvideo_eval.video_reader import VideoInfo, VideoReadError, digest

logger = logging.getLogger(__name__)

REAL = "real"


@dataclass(frozen=True)
class ClipSet:
    """One folder's measurements. Arrays are ordered as `files`, and by time within a file.

    `sources`: of each clip, the name by which its file is paired. `features`: one (windows, dimension) array a clip.
    `curves`: (clips, frames) a name. `motions`: (clips, ...) a name.
    `curves_to_real`: (clips, frames) a name, for the clips with a real file of their name, `twins`.
    `judgements`: one a clip, or none without judges. `contents`: SHA-256 of each file, by name.
    """

    role: str
    folder: Path
    files: tuple[str, ...]
    infos: tuple[VideoInfo, ...]
    sha256: str
    sources: tuple[str, ...]
    features: StoredFeatures
    curves: Mapping[str, Array]
    motions: Mapping[str, Array]
    twins: tuple[str, ...]
    curves_to_real: Mapping[str, Array]
    judgements: tuple[ClipJudgement, ...]
    skipped: tuple[Skipped, ...]
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_clips(self) -> int:
        return len(self.features)

    @property
    def num_windows(self) -> int:
        return len(self.features) * self.features.num_windows

    def of_clips(self, values: Array) -> Clips:
        """Values (clips, ...) with the source file of each clip."""
        return Clips(values, self.sources)


@dataclass(frozen=True)
class _Source:
    """A file of the set `role`, and its name there."""

    role: str
    path: Path
    file: str


@dataclass(frozen=True)
class _Stored:
    """A file that was measured: the SHA-256 of its bytes, and where its measurements lie."""

    sha256: str
    path: Path


_Outcome = _Stored | Skipped
_Told = tuple[str | None, Mapping[str, str]]


def measure(
    folders: Mapping[str, Path],
    instruments: Instruments,
    cache: FileCache,
    execution: Execution,
    told: Collection[str] = (),
) -> dict[str, ClipSet]:
    """Read and measure every file of some folders; a file that cannot be used whole is skipped and reported.

    Real files are cut into as many consecutive clips as they hold; of the other sets' files, only the first num_frames
    count, since the frame index means the distance from the conditioning image. Files of one name are measured
    together, so that each is decoded once.

    Args:
        folders: by role.
        told: roles whose skipped files have been logged before.

    Raises:
        ValueError: no such folder, nothing in it, no file of it usable, or a cache that cannot be written.
    """
    if execution.processes.size > 1:
        measure_share(folders, instruments, cache, execution)
    outcomes: dict[_Source, _Outcome] = {}
    for found in execution.each("measured", _measurer(instruments, cache), _grouped(folders)):
        outcomes |= found
    sets = {role: _clip_set(role, folder, outcomes, instruments, cache) for role, folder in folders.items()}
    for role, clip_set in sets.items():
        if role not in told:
            _tell(clip_set)
    return sets


def measure_share(
    folders: Mapping[str, Path], instruments: Instruments, cache: FileCache, execution: Execution
) -> None:
    """Measure this process's share of the files into the cache, and wait for the other processes; raises as `measure`.

    A file that cannot be used is told by the process that reads them all.
    """
    execution.each("measured", _measurer(instruments, cache), execution.processes.share(_grouped(folders)))
    execution.processes.wait()


def _measurer(instruments: Instruments, cache: FileCache) -> Callable[[Sequence[_Source]], dict[_Source, _Outcome]]:
    return lambda group: _measure_group(group, instruments, cache)


def _grouped(folders: Mapping[str, Path]) -> list[list[_Source]]:
    """Files of one name together, real ones first."""
    groups: dict[str, list[_Source]] = {}
    for role in sorted(folders, key=lambda role: role != REAL):
        for path in list_files(role, folders[role]):
            source = _Source(role, path, path.relative_to(folders[role]).as_posix())
            groups.setdefault(clip_name(folders[role], path), []).append(source)
    return [groups[name] for name in sorted(groups)]


def _measure_group(group: Sequence[_Source], instruments: Instruments, cache: FileCache) -> dict[_Source, _Outcome]:
    outcomes: dict[_Source, _Outcome] = {}
    twin: tuple[FirstClip, str] | None = None
    for source in group:
        try:
            content = digest(source.path)
            if source.role == REAL:
                first = FirstClip(source.path, instruments.plan)
                outcomes[source] = _measure_real(source.path, content, first, instruments, cache)
                twin = first, content
            else:
                outcomes[source] = _measure_other(source.path, content, twin, instruments, cache)
        except VideoReadError as error:
            outcomes[source] = Skipped.of(source.path, error.reason)
    return outcomes


def _measure_real(path: Path, content: str, first: FirstClip, instruments: Instruments, cache: FileCache) -> _Stored:
    stored = cache.path(content, every_clip=True)
    if cache.load(stored) is None:
        cache.save(stored, measure_file(path, instruments, every_clip=True, on_first=first.keep))
    return _Stored(content, stored)


def _measure_other(
    path: Path, content: str, twin: tuple[FirstClip, str] | None, instruments: Instruments, cache: FileCache
) -> _Stored:
    stored = cache.path(content, "" if twin is None else twin[1])
    if cache.load(stored) is None:
        cache.save(stored, measure_file(path, instruments, None if twin is None else twin[0]))
    return _Stored(content, stored)


def _clip_set(
    role: str, folder: Path, outcomes: Mapping[_Source, _Outcome], instruments: Instruments, cache: FileCache
) -> ClipSet:
    sources = sorted((source for source in outcomes if source.role == role), key=lambda source: source.path)
    skipped: list[Skipped] = []
    used: dict[str, tuple[_Stored, MeasuredFile]] = {}
    judgements: list[ClipJudgement] = []
    for source in sources:
        outcome = outcomes[source]
        told: _Told = (None, {})
        try:
            told = _told(source.path) if instruments.judges is not None else told
        except SidecarError as error:
            skipped.append(Skipped.of(error.path, error.reason))
        if isinstance(outcome, Skipped):
            skipped.append(outcome)
            continue
        measured = cache.load(outcome.path)
        if measured is None:
            raise ValueError(f"{outcome.path} was there and is gone: start again, and leave the cache as it is.")
        judgements += _judgements(measured, told)
        used[source.file] = outcome, measured.without_features()
    if not used:
        _warn(skipped)
        raise nothing_usable(role, folder, skipped)
    return _assembled(role, folder, used, judgements, skipped)


def _assembled(
    role: str,
    folder: Path,
    used: Mapping[str, tuple[_Stored, MeasuredFile]],
    judgements: Sequence[ClipJudgement],
    skipped: Sequence[Skipped],
) -> ClipSet:
    files = [measured for _, measured in used.values()]
    names = "".join(f"{name} {stored.sha256}\n" for name, (stored, _) in used.items())
    places = [(stored.path, number) for stored, measured in used.values() for number in range(measured.num_clips)]
    return ClipSet(
        role=role,
        folder=folder,
        files=tuple(used),
        infos=tuple(measured.info for measured in files),
        sha256=hashlib.sha256(names.encode()).hexdigest(),
        sources=tuple(source_of(name) for name, (_, measured) in used.items() for _ in range(measured.num_clips)),
        features=StoredFeatures(places, files[0].num_windows),
        curves=_joined([measured.curves for measured in files]),
        motions=_joined([measured.motions for measured in files]),
        twins=tuple(source_of(name) for name, (_, measured) in used.items() if measured.curves_to_real),
        curves_to_real=_joined([measured.curves_to_real for measured in files if measured.curves_to_real]),
        judgements=tuple(judgements),
        skipped=tuple(skipped),
        contents={name: stored.sha256 for name, (stored, _) in used.items()},
    )


def _warn(skipped: Sequence[Skipped]) -> None:
    for item in skipped:
        logger.warning("skipped %s: %s", item.file, item.reason)


def _tell(clips: ClipSet) -> None:
    _warn(clips.skipped)
    num_frames = len(next(iter(clips.curves.values()))[0])
    counts = (clips.num_clips, num_frames, len(clips.files), clips.num_windows)
    logger.info("%s: %d clips of %d frames (files: %d, windows: %d)", clips.role, *counts)


def _told(path: Path) -> _Told:
    """Caption and truth of a clip of the tiny world, as its sidecar tells them."""
    sidecar = read_sidecar(path)
    return sidecar.caption, truth_of(path, sidecar)


def _judgements(measured: MeasuredFile, told: _Told) -> list[ClipJudgement]:
    """A sidecar tells of the file's beginning: later on, what bounced left first may go right."""
    if measured.embeddings is None:
        return []
    return [
        ClipJudgement(
            {name: values[number] for name, values in measured.probabilities.items()},
            embedding,
            *((None, {}) if number else told),
        )
        for number, embedding in enumerate(measured.embeddings)
    ]


def _joined(curves: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([item[name] for item in curves]) for name in (curves[0] if curves else ())}
