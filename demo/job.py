"""A job of the demo: clips, rendered or filmed, and the base that is extended on them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NUM_FRAMES = 40  # what the base is extended to
FRAME_SIZE = 64  # pixels, both ways


@dataclass(frozen=True)
class Job:
    """Clips in two folders, and a base that is to be extended on the first and judged on the second.

    Args:
        base: what `ExVideoPipeline.from_pretrained` and exvideo-train take.
        recipe: of the post-tuning; its base and folders are filled in for each run.
        train, held_out: folders of MP4 clips of `NUM_FRAMES` frames at least, of `FRAME_SIZE`.
        arguments_of: what the pipeline is given for a held-out clip besides its first frame, the length and a seed.
        beside: seconds of all that is no step of the post-tuning, of (those that the stages before it took, those of a
            clip forward and back on each of two cores at once).
        truth_is_known: whether the held-out clips are of the tiny world.
        prompts: of clips to make from text alone; none for a base that does not read.
        max_on_sheet: held-out clips in the contact sheet; None for all.
    """

    base: str
    recipe: Path
    train: Path
    held_out: Path
    arguments_of: Callable[[Path], dict[str, Any]]
    beside: Callable[[float, float], float] = lambda elapsed, clip: elapsed
    truth_is_known: bool = False
    prompts: tuple[str, ...] = ()
    max_on_sheet: int | None = None

    @property
    def held_out_clips(self) -> list[Path]:
        """By name, which is the order that gives each its seed."""
        return sorted(self.held_out.glob("*.mp4"))
