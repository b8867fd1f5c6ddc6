"""The settings that a person gives, and the plan by which files are cut into clips and windows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exvideo_eval.execution import Execution
from exvideo_eval.survey import survey
from exvideo_eval.video_reader import VideoInfo

_FEWEST_FRAMES = 2
_MOST_LOST = 1 / 3  # of the files, that a length which nobody asked for may leave out
_LENGTHS_NAMED = 8


@dataclass(frozen=True)
class Settings:
    """Choices of a person; None lets the clips decide, and the protocol in the result says what was decided.

    Args:
        features: "auto", "judges", "transnetv2" or "random3d".
        num_frames: frames compared of each clip; by default the commonest length among the generated files.
        size: (height, width) at which pixels are compared; by default that of the generated files.
        window: frames a feature vector is made of; by default 16, or num_frames if that is fewer.
        window_stride: frames between windows; by default half a window.
        dimension: of the Fréchet distance; by default a quarter of the smaller number of clips, at most 64
            (32 of fewer than 500 clips).
        resamples: draws for each interval and test; 0 for none of them.
        level: of the intervals.
        seed: of the draws.
        seam_every: frames from one border of windows or chained clips to the next, for the seam; None for no seam.
        thirds: distances of each third of the clips from the same third of the real ones, too.
    """

    features: str = "auto"
    num_frames: int | None = None
    size: tuple[int, int] | None = None
    window: int | None = None
    window_stride: int | None = None
    dimension: int | None = None
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    seam_every: int | None = None
    thirds: bool = False

    def __post_init__(self) -> None:
        minimums = {
            "num_frames": _FEWEST_FRAMES,
            "window": 2,
            "window_stride": 1,
            "dimension": 1,
            "resamples": 0,
            "seam_every": 2,
            "seed": 0,
        }
        for name, minimum in minimums.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ValueError(f"{name} is {value}: give at least {minimum}.")
        if self.resamples == 1:
            raise ValueError("resamples is 1, of which no interval can be: give 0 for none, or at least 2.")
        if self.size is not None and min(self.size) < 3:
            raise ValueError(f"size is {self.size[0]}x{self.size[1]}: give at least 3x3 pixels.")
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}: give a number between 0 and 1, such as 0.95.")


@dataclass(frozen=True)
class ClipPlan:
    """The cut of every file: clips of `num_frames` at `size` (height, width), features on windows of each clip."""

    num_frames: int
    size: tuple[int, int]
    window: int
    window_stride: int

    @property
    def starts(self) -> range:
        """The first frame of each window."""
        return range(0, self.num_frames - self.window + 1, self.window_stride)


def plan_clips(settings: Settings, generated: Path, execution: Execution | None = None) -> ClipPlan:
    """The cut of the clips, from the settings and, where these leave it open, from the generated files.

    Those are decoded for it, to count their frames.

    Raises:
        ValueError: no readable generated file, generated files of several sizes, or of lengths of which the commonest
            would leave more than a third of them out; or a window, or a way to the first seam, longer than the clips.
    """
    known = settings.num_frames is not None and settings.size is not None
    infos = [] if known else list(survey("generated", generated, execution or Execution()).values())
    num_frames = settings.num_frames or _length_of(infos)
    window = settings.window or min(16, num_frames)
    if num_frames < _FEWEST_FRAMES or window > num_frames:
        raise ValueError(
            f"Clips of {num_frames} frames are shorter than a window of {max(window, _FEWEST_FRAMES)}: shorten it."
        )
    if settings.seam_every is not None and settings.seam_every >= num_frames:
        raise ValueError(
            f"seam_every is {settings.seam_every}, and clips of {num_frames} frames have no such border: give at most "
            f"{num_frames - 1}."
        )
    sizes = sorted({(info.height, info.width) for info in infos})
    if settings.size is None and len(sizes) > 1:
        found = ", ".join(f"{height}x{width}" for height, width in sizes)
        raise ValueError(f"The generated clips have {len(sizes)} sizes ({found}): give --size HEIGHTxWIDTH for all.")
    return ClipPlan(num_frames, settings.size or sizes[0], window, settings.window_stride or max(1, window // 2))


def commonest_length(infos: Sequence[VideoInfo]) -> int:
    """The length that most files have; of several equally common lengths, the shortest."""
    counts = Counter(info.num_frames for info in infos)
    return min(counts, key=lambda length: (-counts[length], length))


def lengths_that_lose_many(infos: Sequence[VideoInfo]) -> str | None:
    """Words on the lengths of files of which more than a third are shorter than the commonest; None if no more are.

    Longer files count: with their beginning, or in several clips.
    """
    length, counts = commonest_length(infos), Counter(info.num_frames for info in infos)
    lost = sum(number for frames, number in counts.items() if frames < length)
    if lost <= len(infos) * _MOST_LOST:
        return None
    shown = [f"{frames} ({number})" for frames, number in sorted(counts.items())]
    if len(shown) > _LENGTHS_NAMED:
        shown = [*shown[: _LENGTHS_NAMED - 1], f"{len(shown) - _LENGTHS_NAMED} more lengths", shown[-1]]
    return f"{lost} of {len(infos)} are shorter than the {length} frames that most have (frames: {', '.join(shown)})"


def _length_of(infos: Sequence[VideoInfo]) -> int:
    """The commonest length of the generated files; raises ValueError if it leaves more than a third of them out."""
    length = commonest_length(infos)
    if (words := lengths_that_lose_many(infos)) is None:
        return length
    usable = [info.num_frames for info in infos if info.num_frames >= _FEWEST_FRAMES]
    long = sum(frames >= length for frames in usable)
    raise ValueError(
        f"Of the generated clips {words}: give --frames {min(usable)} to compare {len(usable)} of them, or "
        f"--frames {length} for {long}."
    )
