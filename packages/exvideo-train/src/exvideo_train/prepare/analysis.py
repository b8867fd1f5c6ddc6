"""Video files, each decoded once: where shots end, how bright the frames are, how much they move.

`analysis/<name>-<digest>.json` in the output folder: {"format_version": 1, "size", "mtime_ns", "analysis": fields of
`Analysis`}. A file of the size and time of change that it had there is not read again.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from exvideo_infer import VideoError, examine, iter_frames, probe
from numpy.typing import NDArray

from exvideo_train.atomic import write_json
from exvideo_train.prepare.shots import ShotDetector

FOLDER = "analysis"
SHORT_SIDE = 64  # pixels of the frames that are looked at
_FORMAT_VERSION = 1
_DIGITS = 4


@dataclass(frozen=True)
class Analysis:
    """A video file, a number for each frame that could be read.

    Args:
        fps: frames a second.
        height, width: in pixels, as it is shown.
        ends: how likely a shot ends with a frame, in [0, 1].
        brightness: mean of a frame's colours, 0 black, 1 white.
        motion: mean absolute difference to the frame before, of full scale; 0 for the first.
        damage: why the rest of it cannot be read; None for a whole file.
    """

    fps: float
    height: int
    width: int
    ends: tuple[float, ...]
    brightness: tuple[float, ...]
    motion: tuple[float, ...]
    damage: str | None = None

    @property
    def num_frames(self) -> int:
        """Frames that could be read."""
        return len(self.ends)


class Analyst:
    """Looks at files, and remembers them in a folder.

    Args:
        output: has `FOLDER`, which is made if missing.
        detector: makes what finds the ends of shots; called when the first file has to be read.
    """

    def __init__(self, output: Path, detector: Callable[[], ShotDetector]) -> None:
        self._folder = output / FOLDER
        self._make_detector = detector
        self._detector: ShotDetector | None = None

    def look_at(self, path: Path, progress: Callable[[int, int], None]) -> Analysis:
        """The analysis of a file.

        Args:
            path: of the file.
            progress: called with (frames read, frames in all) where the file has to be read.

        Raises:
            VideoError: the file is no video, or its first frame cannot be read.
            UserError: the packages of the extra `prepare` are not installed.
            OSError: the output folder cannot be written to.
        """
        stat = path.stat()
        memory = self._folder / f"{path.stem}-{sha256(str(path.resolve()).encode()).hexdigest()[:8]}.json"
        known = _read(memory, stat.st_size, stat.st_mtime_ns)
        if known is not None:
            return known
        self._detector = self._detector or self._make_detector()
        found = _analyse(path, self._detector, progress)
        state = {"format_version": _FORMAT_VERSION, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        write_json(memory, state | {"analysis": asdict(found)})
        return found


def _analyse(path: Path, detector: ShotDetector, progress: Callable[[int, int], None]) -> Analysis:
    info = probe(path)
    scale = SHORT_SIDE / min(info.height, info.width)
    size = max(SHORT_SIDE, round(info.height * scale)), max(SHORT_SIDE, round(info.width * scale))
    brightness: list[float] = []
    motion: list[float] = []
    damage: list[str] = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        before: NDArray[np.int16] | None = None
        try:
            for frame in iter_frames(path, size=size):
                levels = frame.astype(np.int16)
                brightness.append(float(levels.mean()) / 255)
                motion.append(0.0 if before is None else float(np.abs(levels - before).mean()) / 255)
                before = levels
                progress(len(brightness), info.num_frames)
                yield frame
        except VideoError as error:
            if before is None:
                raise
            damage.append(str(error))

    numbers = [list(detector(frames())), brightness, motion]
    if damage:
        # Decoders work some frames ahead: what they gave last may already be built on the damage.
        good = min((len(brightness), *examine(path).damaged))
        numbers = [values[:good] for values in numbers]
        if not good:
            raise VideoError(damage[0])
    ends, brightness, motion = ([round(value, _DIGITS) for value in values] for values in numbers)
    about = (info.fps, info.height, info.width, tuple(ends), tuple(brightness), tuple(motion))
    return Analysis(*about, damage[0] if damage else None)


def _read(path: Path, size: int, mtime_ns: int) -> Analysis | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["format_version"], content["size"], content["mtime_ns"]) != (_FORMAT_VERSION, size, mtime_ns):
            return None
        numbers = {name: tuple(content["analysis"][name]) for name in ("ends", "brightness", "motion")}
        return Analysis(**content["analysis"] | numbers)
    except (OSError, ValueError, LookupError, TypeError):
        return None
