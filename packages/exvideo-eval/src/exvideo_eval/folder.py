"""A folder of video files: what is in it, and the one sentence that says why it cannot be used."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from exvideo_eval.results import Skipped
from exvideo_eval.sidecar import SIDECAR_ENDINGS, SidecarError, read_sidecar
from exvideo_eval.video_reader import VideoReadError, probe


def list_files(role: str, folder: Path) -> list[Path]:
    """Files of a folder and its subfolders in the order of their paths, hidden ones and videos' sidecars apart.

    A subfolder that cannot be read is one of them, for whoever reads the files to say so.

    Raises:
        ValueError: no such folder, one that cannot be read, nothing in it, or two videos of one name in it.
    """
    if not folder.is_dir():
        raise ValueError(f"The folder of {role} clips, {folder}, does not exist: give a folder of video files.")
    unread: list[OSError] = []
    found = [path for path in _all_files(folder, unread) if not path.name.startswith(".")]
    videos = {path.with_suffix("") for path in found if path.suffix not in SIDECAR_ENDINGS}
    files = [path for path in found if not (path.suffix in SIDECAR_ENDINGS and path.with_suffix("") in videos)]
    files = sorted([*files, *_unread_folders(role, folder, unread)])
    if not files:
        raise ValueError(f"The folder of {role} clips, {folder}, is empty: put video files in it.")
    _require_names(role, folder, files)
    return files


def clip_name(folder: Path, path: Path) -> str:
    """The name by which a file is paired with one of another folder: "street/c1" of `folder/street/c1.mp4`."""
    return path.relative_to(folder).with_suffix("").as_posix()


def _unread_folders(role: str, folder: Path, unread: Sequence[OSError]) -> list[Path]:
    """The subfolders that could not be read; raises ValueError if it is the folder itself."""
    for error in unread:
        if Path(error.filename) == folder:
            raise ValueError(
                f"The folder of {role} clips, {folder}, cannot be read ({error.strerror}): allow it, or give another."
            )
    return [Path(error.filename) for error in unread]


def _all_files(folder: Path, unread: list[OSError]) -> Iterator[Path]:
    """Files of a folder and its subfolders. Links to folders are followed last, and no folder is entered twice.

    Args:
        unread: is given the errors of folders that cannot be read.
    """
    pending, entered = [folder], set()
    while pending:
        for place, folders, names in os.walk(pending.pop(0), onerror=unread.append):
            here = os.path.realpath(place)
            if here in entered:
                folders.clear()
                continue
            entered.add(here)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            pending += [path for name in folders if (path := Path(place, name)).is_symlink()]
            yield from (path for name in names if _is_file(path := Path(place, name)))


def _is_file(path: Path) -> bool:
    """True if it is no pipe or socket, which a reader would wait for; what may not be looked at is told when read."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _require_names(role: str, folder: Path, files: Sequence[Path]) -> None:
    """Raises ValueError if two videos differ in their ending alone, as either could be the one of that name."""
    first: dict[str, Path] = {}
    for path in files:
        known = first.setdefault(clip_name(folder, path), path)
        if known is not path and _is_readable(known) and _is_readable(path):
            raise ValueError(
                f"Two {role} clips are called {clip_name(folder, path)!r}, {known} and {path}: clips are paired by "
                "their name without its ending, so rename one or take it out."
            )


def is_of_tiny_world(folder: Path) -> bool:
    """True if every readable video of a folder of real clips says in its sidecar that it is of the tiny world.

    Raises:
        ValueError: no such folder, or nothing in it.
    """
    says_so = {path: _says_tiny_world(path) for path in list_files("real", folder)}
    return any(says_so.values()) and not any(_is_readable(path) for path, said in says_so.items() if not said)


def _says_tiny_world(video: Path) -> bool:
    try:
        return read_sidecar(video).is_tiny_world
    except SidecarError:
        return False


def _is_readable(video: Path) -> bool:
    try:
        probe(video)
    except VideoReadError:
        return False
    return True


def nothing_usable(role: str, folder: Path, skipped: Sequence[Skipped], by: str = "") -> ValueError:
    """The error of a folder of which every file was left out; `by`: the measure that did, where others did not."""
    shown = "; ".join(f"{Path(item.file).name} {item.reason}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    used = f"used by {by}" if by else "used"
    return ValueError(f"None of the {len(skipped)} files of {role} clips in {folder} can be {used}: {shown}{more}.")
