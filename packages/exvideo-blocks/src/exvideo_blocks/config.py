"""What to mount: checked whole before a model is touched."""

from dataclasses import dataclass

from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import POSITIONS


@dataclass(frozen=True)
class ExtensionConfig:
    """How far a model is extended, and which of its parameters adapt.

    Args:
        num_frames: length of the longest clip, in frames; more than the base model's own.
        level: which parameters train, one of `exvideo_blocks.levels.LEVELS`; "full" is the published method.
        positions: what the frame table starts from, one of `exvideo_blocks.positions.POSITIONS`; "reflected" is the
            published one. It matters to a new extension alone: a file holds the table as it was trained.

    Raises:
        ValueError: num_frames is not a whole number of at least 2, or the level or the positions are unknown.
    """

    num_frames: int
    level: str = "full"
    positions: str = "reflected"

    def __post_init__(self) -> None:
        if isinstance(self.num_frames, bool) or not isinstance(self.num_frames, int) or self.num_frames < 2:
            raise ValueError(f"num_frames={self.num_frames!r} must be a whole number of at least 2 frames.")
        if self.level not in LEVELS:
            raise ValueError(f"level={self.level!r} is unknown; choose one of {', '.join(LEVELS)}.")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions={self.positions!r} is unknown; choose one of {', '.join(POSITIONS)}.")
