"""Ranges of the numbers that a clip is asked for with, one table for all that ask; and the largest clip of a server."""

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
}


@dataclass(frozen=True)
class Limits:
    """The largest clip that a server makes, and requests that it holds.

    Args:
        pixels: height times width.
        frames, steps: of a clip.
        queue: clips that wait.
        body_bytes: of a request.
    """

    pixels: int = 1024 * 1024
    frames: int = 256
    steps: int = 100
    queue: int = 16
    body_bytes: int = 32 * 2**20

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises ValueError for a clip that is larger."""
        for name, value, most in (
            ("height x width", settings["height"] * settings["width"], self.pixels),
            ("num_frames", settings["num_frames"], self.frames),
            ("steps", settings["num_inference_steps"], self.steps),
        ):
            if value > most:
                raise ValueError(f"{name} is {value}, and this server makes clips of up to {most}: ask for less.")
