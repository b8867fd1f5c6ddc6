"""Video files, each decoded and hashed by one process and then remembered: the next start of a run reads none of them.

files.json in the cache folder: {"format_version": 3, "files": {path: {"size", "mtime_ns", "file": fields of
`VideoFile`}}}. It is a shortcut and no more: without it, or with a damaged one, the files are read again.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from exvideo_infer import examine, probe

from exvideo_train.atomic import write_json
from exvideo_train.data.second_try import try_twice
from exvideo_train.data.sharing import Sharing

MEMORY = "files.json"
_FORMAT_VERSION = 3
# A file that was written to so lately may be again without a later time: some filesystems count whole seconds.
_SETTLED_SECONDS = 2.0


# Before such files were shown upright, with square pixels and so on, their frames were cached under their hashes alone.
_SHOWN = "as shown"
_UNKNOWN = (0, 0)  # of files that were remembered before their shape was looked at


@dataclass(frozen=True)
class VideoFile:
    """A file that was decoded from its beginning to its end.

    Args:
        sha256: of its bytes, in hex digits.
        num_frames: that there are.
        fps: mean frames a second.
        as_stored: False if its frames are turned, stretched, mapped or made whole before they are used.
        damaged: places of frames that cannot be decoded.
        notes: what is unusual about it, a few words each.
        times: of its frames, in seconds; none where they are shown at a steady rate.
        shape: height and width as shown, in square pixels.
    """

    sha256: str
    num_frames: int
    fps: float
    as_stored: bool = True
    damaged: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    shape: tuple[int, int] = _UNKNOWN

    @property
    def content(self) -> str:
        """A name of what is read from it, in hex digits."""
        return self.sha256 if self.as_stored else sha256(f"{self.sha256} {_SHOWN}".encode()).hexdigest()


@dataclass(frozen=True)
class _Remembered:
    """A file as it was when it was read; `size` in bytes, `mtime_ns` in nanoseconds."""

    size: int
    mtime_ns: int
    file: VideoFile


def scan(paths: list[Path], folder: Path, processes: Sharing) -> tuple[dict[Path, VideoFile], dict[Path, str]]:
    """Decodes and hashes video files, each process its share; every process must call, with the same paths.

    Args:
        paths: of the files.
        folder: of `MEMORY`. A file of the size and time of change that it had there is not read.

    Returns:
        The files that could be read, in the order of `paths`, and why the others could not, tried twice.
    """
    memory = _read_memory(folder / MEMORY)
    found: dict[Path, VideoFile] = {}
    fresh: dict[str, _Remembered] = {}

    def look_at(path: Path) -> None:
        name, now, stat = str(path.resolve()), time.time(), path.stat()
        known = memory.get(name)
        if known is None or (known.size, known.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
            known = _read(path, stat.st_size, stat.st_mtime_ns)
            if now - stat.st_mtime >= _SETTLED_SECONDS:
                fresh[name] = known
        elif known.file.shape == _UNKNOWN:
            info = probe(path)
            fresh[name] = known = replace(known, file=replace(known.file, shape=(info.height, info.width)))
        found[path] = known.file

    failed = try_twice(processes.share(paths), look_at)
    shares = processes.gather((found, failed, fresh))
    everywhere = {path: file for share, _, _ in shares for path, file in share.items()}
    if processes.is_main:
        _remember(folder / MEMORY, memory, {name: file for _, _, share in shares for name, file in share.items()})
    reasons = {path: reason for _, share, _ in shares for path, reason in share.items()}
    return {path: everywhere[path] for path in paths if path in everywhere}, reasons


def _read(path: Path, size: int, mtime_ns: int) -> _Remembered:
    found = examine(path)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    info = found.info
    shape = (info.height, info.width)
    shown = VideoFile(
        digest, info.num_frames, info.fps, found.as_stored, found.damaged, found.notes, found.times, shape
    )
    return _Remembered(size, mtime_ns, shown)


def _read_memory(path: Path) -> dict[str, _Remembered]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != _FORMAT_VERSION:
            return {}
        return {
            name: _Remembered(values["size"], values["mtime_ns"], _file_of(values["file"]))
            for name, values in content["files"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _file_of(values: dict[str, Any]) -> VideoFile:
    tuples = ("damaged", "notes", "times", "shape")
    return VideoFile(**values | {name: tuple(values[name]) for name in tuples if name in values})


def _remember(path: Path, memory: Mapping[str, _Remembered], fresh: Mapping[str, _Remembered]) -> None:
    if not fresh:
        return
    files = {name: asdict(file) for name, file in sorted({**memory, **fresh}.items())}
    try:
        write_json(path, {"format_version": _FORMAT_VERSION, "files": files})
    except OSError as error:  # nothing is wrong but the time that it takes
        print(f"{path} cannot be written ({error.strerror}): the next start reads all videos again.", file=sys.stderr)
