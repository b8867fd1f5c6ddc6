"""Encodes the videos of a folder into a cache by a base that takes its time: for tests, which kill it.

Arguments: the folder, the cache. Prints the number of frames that it has encoded.
"""

import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
from exvideo_infer import Conditions
from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.video_encoder import VideoEncoder

FRAMES, LENGTH, STRIDE = 128, 32, 16  # every frame is of some clip


class SlowBase:
    """Mean colours of quarters, ten milliseconds a frame."""

    network: ClassVar[Any] = None
    scheduler: ClassVar[Any] = None
    tokenizer: ClassVar[Any] = None
    encoders = ()
    encoding_settings: ClassVar[dict[str, Any]] = {"slow": True}
    size_multiple = 2
    default_size = None
    encodes_frames_apart = True

    def __init__(self) -> None:
        self.frames = 0

    def encode_frames(self, frames: torch.Tensor) -> torch.Tensor:
        time.sleep(0.01 * len(frames))
        self.frames += len(frames)
        return torch.nn.functional.adaptive_avg_pool2d(frames, 2)

    def encode_image(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"colour": image.mean(dim=(1, 2))}

    def encode_text(self, caption: str) -> dict[str, torch.Tensor]:
        raise AssertionError

    @staticmethod
    def conditions(encoded: Any, fps: float, motion_bucket_id: float) -> Conditions:
        return Conditions(encoded["colour"][None, None])


def clips_in(folder: Path) -> list[Clip]:
    """Those of all videos."""
    starts = range(0, FRAMES - LENGTH + 1, STRIDE)
    return [Clip(path, start, LENGTH, 8.0, (32, 32)) for path in sorted(folder.glob("*.mp4")) for start in starts]


def main(folder: Path, cache: Path) -> int:
    base, clips = SlowBase(), clips_in(folder)
    failed = VideoEncoder(LatentCache(cache, base), base, {}).encode(clips)
    print(base.frames, flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
