"""The amount of motion in a clip, in the 128 buckets that Stable Video Diffusion is told."""

import json
from functools import cache
from importlib.resources import files

from torch import Tensor


def motion_score(frames: Tensor) -> float:
    """Standard deviation over frames (unbiased), averaged over channels and pixels (ExVideo's released training code).

    Args:
        frames: (frames, 3, height, width), in [-1, 1].
    """
    return frames.float().std(dim=0, unbiased=True).mean().item()


def motion_bucket(score: float) -> int:
    """The bucket of a score, 0 (still) to 127: the first whose upper threshold exceeds it."""
    thresholds = _thresholds()
    return next((bucket for bucket, upper in enumerate(thresholds[1:]) if upper > score), 127)


@cache
def _thresholds() -> tuple[float, ...]:
    return tuple(json.loads((files("exvideo_train") / "motion_bucket_thresholds.json").read_text())["thresholds"])
