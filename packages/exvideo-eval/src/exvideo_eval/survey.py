"""The length and size of every file of a folder, before it is decided how clips are cut."""

from pathlib import Path

from exvideo_eval.execution import Execution
from exvideo_eval.folder import list_files, nothing_usable
from exvideo_eval.info_cache import InfoCache
from exvideo_eval.result_parts import Skipped
from exvideo_eval.video_reader import VideoInfo, VideoReadError, probe


def survey(role: str, folder: Path, execution: Execution) -> dict[str, VideoInfo]:
    """Length and size of each readable file by name; unreadable ones are reported when they are measured.

    Raises:
        ValueError: no such folder, nothing in it, or nothing readable in it.
    """
    files = list_files(role, folder)
    known = None if execution.cache is None else InfoCache(execution.cache)

    def look_at(path: Path) -> VideoInfo | Skipped:
        try:
            return probe(path) if known is None else known.probe(path)
        except VideoReadError as error:
            return Skipped.of(path, error.reason)

    if execution.processes.size > 1:
        execution.each("counted frames of", look_at, execution.processes.share(files))
        execution.processes.wait()
    found = dict(zip(files, execution.each("counted frames of", look_at, files), strict=True))
    infos = {path: info for path, info in found.items() if isinstance(info, VideoInfo)}
    if not infos:
        raise nothing_usable(role, folder, [item for item in found.values() if isinstance(item, Skipped)])
    return {path.relative_to(folder).as_posix(): info for path, info in infos.items()}
