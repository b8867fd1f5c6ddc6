"""Makes the clips of a list into a folder: each once, whoever shares the folder, whenever a process is killed."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from exvideo_infer.jobs.claims import claim
from exvideo_infer.jobs.job import Clip
from exvideo_infer.jobs.maker import Maker, Watch
from exvideo_infer.video_file import Frame, VideoInfo, whole, write_video

SUFFIX = ".mp4"
HASH = "hash"  # of a clip that has a name of its own
_POLL_SECONDS = 0.5

Made = Callable[[str, Clip, VideoInfo, Watch], None]
Write = Callable[[Path, Clip, Iterator[Frame]], VideoInfo]


def write_clip(path: Path, clip: Clip, frames: Iterator[Frame]) -> VideoInfo:
    """Writes the file of a clip, with no word on how it was made."""
    return write_video(path, frames, clip.settings["fps"])


def make_all(clips: Mapping[str, Clip], folder: Path, maker: Maker, on_made: Made, write: Write = write_clip) -> int:
    """Makes the clips that are not in the folder, and waits for those that other processes are making.

    The clip of a process that was killed is made here. A clip is `NAME.mp4`, there when it is whole and never written
    again; beside it `NAME.json` has what decides it. Of a clip whose job names it, its hash as well.

    Args:
        clips: by name, as `Clip.file_name` gives it.
        folder: is there.
        maker: of the model that the names are of.
        on_made: called with name, clip, file and times of each that this process has made.
        write: writes a clip's file.

    Returns:
        The number of those.

    Raises:
        ValueError: another clip has one of the names; nothing is made then, unless it came while others were made.
        ValueError, RuntimeError: as the maker; what was made before stays.
    """
    for name, clip in clips.items():
        _check_kept(folder, name, clip, maker)
    pending, made = dict(clips), 0
    while pending:
        before = len(pending)
        for name, clip in list(pending.items()):
            if not is_whole(folder, name):
                watch = Watch()
                info = make(name, clip, folder, maker, watch, write)
                if info is None:
                    continue
                on_made(name, clip, info, watch)
                made += 1
            _check_kept(folder, name, clip, maker)
            del pending[name]
        if len(pending) == before:
            time.sleep(_POLL_SECONDS)
    return made


def make(
    name: str, clip: Clip, folder: Path, maker: Maker, watch: Watch, write: Write = write_clip
) -> VideoInfo | None:
    """Makes one clip, unless another process makes it now or has done so: None then."""
    with claim(folder, name) as held:
        if not held or is_whole(folder, name):
            return None
        for left in folder.glob(f".{name}.*.tmp"):  # by a process that was killed: nobody else has the claim
            left.unlink(missing_ok=True)
        settings = settings_path(folder, name)
        _write_json(
            settings, clip.settings if clip.job.name is None else {HASH: clip.name(maker.model), **clip.settings}
        )
        try:
            return write(clip_path(folder, name), clip, maker.frames(clip, watch))
        except BaseException:
            settings.unlink(missing_ok=True)
            raise


def is_whole(folder: Path, name: str) -> bool:
    """True if a clip is there: its file appears when it is whole."""
    return clip_path(folder, name).exists()


def clip_path(folder: Path, name: str) -> Path:
    """The file of a clip."""
    return folder / f"{name}{SUFFIX}"


def settings_path(folder: Path, name: str) -> Path:
    """The file that says what decides a clip."""
    return folder / f"{name}.json"


def _check_kept(folder: Path, name: str, clip: Clip, maker: Maker) -> None:
    """Raises ValueError if another clip is there by the name that a job gives: of other settings or another model."""
    if clip.job.name is None or not is_whole(folder, name):
        return
    path = settings_path(folder, name)
    try:
        kept = json.loads(path.read_text(encoding="utf-8")).get(HASH)
    except (OSError, ValueError, AttributeError):
        kept = None
    if kept != clip.name(maker.model):
        raise ValueError(
            f"{clip_path(folder, name)} is there, and not the clip that is asked for by that name: other settings or "
            "another model made it. Give another folder or name, or take it away."
        )


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    with whole(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
