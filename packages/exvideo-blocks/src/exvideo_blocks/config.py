"""The configuration of an extension, checked whole before a model is touched."""

from dataclasses import dataclass

from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import STARTS

FRAME_RATES = ("own", "interpolated")
"""The rates that ExtensionConfig takes: the clip's own, or that at which the base's frames would last as long."""


@dataclass(frozen=True)
class ExtensionConfig:
    """The length that a model is extended to, and which of its parameters adapt.

    Args:
        num_frames: length of the longest clip, in frames; more than the base model's own.
        level: which parameters train, one of `exvideo_blocks.levels.LEVELS`; "full" is the published method.
        positions: what the frame table starts from, one of `exvideo_blocks.positions.STARTS`; "reflected" is the
            published one. "riflex", "ntk" and "yarn" are for families with rotary positions alone. A file of a family
            with frame tables holds them as they were trained; one with rotary positions holds what was learned on top
            of this start, which it names.
        lora_rank: rank of the low-rank updates; it matters to the level "lora" alone.
        base_frames: frames that the base was trained at; None takes what its family knows. Give it where the model's
            own config does not say, as AnimateDiff's does not, and the model is not of the usual length.
        frame_rate: which rate a base that is told one, as Stable Video Diffusion is, gets to know of a clip. "own" is
            the clip's. "interpolated" is that times (base_frames - 1) / (num_frames - 1), at which the base's frames
            last as long as the extension's: what positions do that are "interpolated", done to the rate. For a base
            that was trained at several rates; callers still say the clip's own.

    Raises:
        ValueError: a length or the rank is not a whole number or too small, or the level, the positions or the frame
            rate are unknown.
    """

    num_frames: int
    level: str = "full"
    positions: str = "reflected"
    lora_rank: int = 16
    base_frames: int | None = None
    frame_rate: str = "own"

    def __post_init__(self) -> None:
        _check_whole("num_frames", self.num_frames, 2, " frames")
        _check_whole("lora_rank", self.lora_rank, 1, "")
        if self.base_frames is not None:
            _check_whole("base_frames", self.base_frames, 2, " frames")
        if self.level not in LEVELS:
            raise ValueError(f"level={self.level!r} is unknown: choose one of {', '.join(LEVELS)}.")
        if self.positions not in STARTS:
            raise ValueError(f"positions={self.positions!r} is unknown: choose one of {', '.join(STARTS)}.")
        if self.frame_rate not in FRAME_RATES:
            raise ValueError(f"frame_rate={self.frame_rate!r} is unknown: choose one of {', '.join(FRAME_RATES)}.")


def _check_whole(name: str, value: object, least: int, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r} must be a whole number of at least {least}{unit}.")
