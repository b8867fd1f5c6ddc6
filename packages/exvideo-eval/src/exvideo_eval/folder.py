"""A folder of video files: what is in it, and the one sentence that says why it cannot be used."""

from collections.abc import Sequence
from pathlib import Path

from exvideo_eval.results import Skipped
from exvideo_eval.sidecar import SIDECAR_ENDINGS, SidecarError, read_sidecar
from exvideo_eval.video_reader import VideoInfo, VideoReadError, probe


def list_files(role: str, folder: Path) -> list[Path]:
    """Files directly in the folder, by name, hidden ones and videos' sidecars apart.

    Raises:
        ValueError: no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ValueError(f"The folder of {role} clips, {folder}, does not exist: give a folder of video files.")
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    videos = {path.stem for path in shown if path.suffix not in SIDECAR_ENDINGS}
    files = sorted(path for path in shown if not (path.suffix in SIDECAR_ENDINGS and path.stem in videos))
    if not files:
        raise ValueError(f"The folder of {role} clips, {folder}, is empty: put video files in it.")
    return files


def probe_files(role: str, folder: Path) -> dict[str, VideoInfo]:
    """Length and size of each readable file by name; unreadable ones are reported when they are measured.

    Raises:
        ValueError: no such folder, nothing in it, or nothing readable in it.
    """
    infos: dict[str, VideoInfo] = {}
    skipped: list[Skipped] = []
    for path in list_files(role, folder):
        try:
            infos[path.name] = probe(path)
        except VideoReadError as error:
            skipped.append(Skipped(str(path), error.reason))
    if not infos:
        raise nothing_usable(role, folder, skipped)
    return infos


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


def nothing_usable(role: str, folder: Path, skipped: Sequence[Skipped]) -> ValueError:
    shown = "; ".join(f"{Path(item.file).name} {item.reason}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return ValueError(f"None of the {len(skipped)} files of {role} clips in {folder} can be used: {shown}{more}.")
