"""A folder of clips, tracked and compared with the truth: one curve a clip and measure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from exvideo_infer.video_file import read_clip
from numpy.typing import NDArray

from tiny_world.truth.measures import TruthMeasures, compare, turn_timing
from tiny_world.truth.tracker import Track, track
from tiny_world.world.clip_files import ClipFile, read_clip_file
from tiny_world.world.motion import State

Array = NDArray[np.float64]

MOVING_KINDS = ("crosses", "bounces", "orbits", "hides", "meets")  # displacement says nothing of the others


@dataclass(frozen=True)
class MeasuredSet:
    """One set of clips as the tracker sees it.

    Attributes:
        name: "real" for the real files themselves, else the generated set's own.
        folder: where the files are; files: their names, sorted.
        num_frames: of the longest clip.
        curves: by the names of `TruthMeasures`, (clips, num_frames); NaN where a frame has nothing to say, beyond a
            clip's end, and for the displacement of kinds that stay where they are.
        turn_error: (clips,) frames; NaN for a clip without turns.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    num_frames: int
    curves: Mapping[str, Array]
    turn_error: Array

    def first(self, num_frames: int) -> "MeasuredSet":
        """The same clips' first frames; the timing of turns is known for whole clips alone, and NaN in fewer frames."""
        if num_frames >= self.num_frames:
            return self
        curves = {name: values[:, :num_frames] for name, values in self.curves.items()}
        unknown = np.full_like(self.turn_error, np.nan)
        return replace(self, num_frames=num_frames, curves=curves, turn_error=unknown)


def read_truth(folder: Path) -> list[ClipFile]:
    """The real clips of a folder, by name.

    Raises:
        ValueError: it is no folder or has no clip, or a clip has no truth beside it.
    """
    return [read_clip_file(folder / name) for name in _videos(folder)]


def measure(name: str, folder: Path, real: Sequence[ClipFile]) -> MeasuredSet:
    """Tracks the files of a folder that are named like the real clips, against these clips' truth.

    A generated clip may be shorter than its real one, or longer: only the frames that both have are measured.

    Raises:
        ValueError: the folder has not the same file names, or a file is no clip of the world's size.
    """
    measured = [_measure_clip(path, clip) for path, clip in clips_of_the_same_names(folder, real)]
    longest = max(len(curves.displacement) for curves, _ in measured)
    stacked = {
        field.name: np.stack([_padded(getattr(curves, field.name), longest) for curves, _ in measured])
        for field in fields(TruthMeasures)
    }
    still = np.array([clip.spec.motion.kind not in MOVING_KINDS for clip in real])
    for of_motion in ("displacement", "true_displacement"):
        stacked[of_motion][still] = np.nan
    names = tuple(clip.path.name for clip in real)
    return MeasuredSet(name, folder, names, longest, stacked, np.array([turns for _, turns in measured]))


def clips_of_the_same_names(folder: Path, real: Sequence[ClipFile]) -> Iterator[tuple[Path, ClipFile]]:
    """Each real clip, after the path of the file of its name in a folder.

    Raises:
        ValueError: the folder has not the same file names.
    """
    strange = sorted({clip.path.name for clip in real} ^ {*_videos(folder)})
    if strange:
        raise ValueError(
            f"{folder} has not the same clips as {real[0].path.parent} ({len(strange)} differ, such as {strange[0]}): "
            "give folders of equal file names."
        )
    return ((folder / clip.path.name, clip) for clip in real)


def read_beside(path: Path, real: ClipFile) -> tuple[NDArray[np.uint8], Track, State]:
    """Reads and tracks a file's frames, as many as its real clip has; returns them, the track and their truth.

    Raises:
        ValueError: it is no clip of the world's size.
    """
    frames = read_clip(path).permute(0, 2, 3, 1).numpy()[: real.num_frames]
    try:
        found = track(frames, real.spec)
    except ValueError as error:
        raise ValueError(f"{path} is no clip of the tiny world: {error}") from error
    truth = State(**{field.name: getattr(real.state, field.name)[: len(frames)] for field in fields(State)})
    return frames, found, truth


def _measure_clip(path: Path, real: ClipFile) -> tuple[TruthMeasures, float]:
    """One file's curves, and its error in the timing of turns."""
    _, found, truth = read_beside(path, real)
    return compare(found, truth, real.spec), turn_timing(found, truth, real.spec).error


def _videos(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give one of MP4 clips.")
    names = sorted(path.name for path in folder.glob("*.mp4"))
    if not names:
        raise ValueError(f"{folder} has no MP4 clip in it: give a folder of them.")
    return names


def _padded(curve: Array, length: int) -> Array:
    return np.concatenate([curve, np.full(length - len(curve), np.nan)])
