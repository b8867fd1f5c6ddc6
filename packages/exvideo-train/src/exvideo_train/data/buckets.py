"""Buckets: the clips of one size and one length. What is computed together, or at once on all processes, is of one."""

from collections.abc import Iterable
from dataclasses import dataclass

from exvideo_train.data.dataset import Clip


@dataclass(frozen=True, order=True)
class Bucket:
    """Height and width in pixels, and a length in frames."""

    height: int
    width: int
    num_frames: int

    @property
    def pixels(self) -> int:
        """Those of all frames of a clip."""
        return self.height * self.width * self.num_frames

    @property
    def name(self) -> str:
        """The bucket in the names of figures: 64x48x40."""
        return f"{self.height}x{self.width}x{self.num_frames}"

    def __str__(self) -> str:
        return f"{self.height}x{self.width}, {self.num_frames} frames"


def by_bucket(clips: Iterable[Clip]) -> dict[Bucket, list[Clip]]:
    """The clips of each bucket, in their order; the largest bucket first."""
    found: dict[Bucket, list[Clip]] = {}
    for clip in clips:
        found.setdefault(Bucket(*clip.size, clip.num_frames), []).append(clip)
    return dict(sorted(found.items(), key=lambda item: (-item[0].pixels, item[0])))
