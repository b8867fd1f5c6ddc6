"""Ranges of the numbers that a clip is asked for with, and choices of words: one table for all that ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any


@dataclass(frozen=True)
class Range:
    """The numbers that are taken.

    Args:
        least, most: both are taken; `most` may be infinite, and still only finite numbers are.
        whole: no fractions.
    """

    least: float
    most: float = inf
    whole: bool = False

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.least <= value <= self.most and (isinstance(value, int) or isfinite(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} of at least {self.least}" if self.most == inf else f"{kind} from {self.least} to {self.most}"

    def parse(self, text: str) -> float:
        """The number that a text says.

        Raises:
            ValueError: it says none, or one out of the range.
        """
        try:
            value: float = int(text) if self.whole else float(text)
        except ValueError:
            value = inf
        if value not in self:
            raise ValueError(f"{text!r} is not {self}")
        return value


RANGES: Mapping[str, Range] = {
    "seed": Range(0, 2**64 - 1, whole=True),  # what torch.Generator takes
    "num_frames": Range(1, whole=True),
    "seconds": Range(0.001),
    "height": Range(1, whole=True),
    "width": Range(1, whole=True),
    "steps": Range(1, whole=True),
    "fps": Range(1, 1000),  # beyond it no container's clock tells two frames apart
    "guidance_min": Range(1),
    "guidance_max": Range(1),
    "motion_bucket_id": Range(0, 255),
    "window_length": Range(2, whole=True),
    "window_overlap": Range(0, whole=True),
    "keyframe_every": Range(1, whole=True),
    "strength": Range(0.001, 1),  # of the noise that a second pass begins with
}

NOISE = Range(0, 100)  # on a first frame; no option has it

INTERPOLATORS = ("auto", "rife", "linear")  # of the frames between keyframes
