"""What to mount: checked whole before a model is touched."""

from dataclasses import dataclass

from exvideo_blocks.levels import LEVELS


@dataclass(frozen=True)
class ExtensionConfig:
    """How far a model is extended, and which of its parameters adapt.

    Args:
        num_frames: length of the longest clip, in frames; more than the base model's own.
        level: which parameters train, one of `exvideo_blocks.levels.LEVELS`; "full" is the published method.

    Raises:
        ValueError: num_frames is not a whole number of at least 2, or the level is unknown.
    """

    num_frames: int
    level: str = "full"

    def __post_init__(self) -> None:
        if isinstance(self.num_frames, bool) or not isinstance(self.num_frames, int) or self.num_frames < 2:
            raise ValueError(f"num_frames={self.num_frames!r} must be a whole number of at least 2 frames.")
        if self.level not in LEVELS:
            raise ValueError(f"level={self.level!r} is unknown; choose one of {', '.join(LEVELS)}.")
