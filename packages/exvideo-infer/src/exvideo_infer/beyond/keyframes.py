"""Keyframes and interpolation: the network makes one frame in so many, and those between are computed."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exvideo_infer.beyond.interpolation import Interpolate, load_interpolator
from exvideo_infer.decode import to_uint8
from exvideo_infer.placement import execution_device
from exvideo_infer.request import check_positive

Frame = NDArray[np.uint8]
BATCH = 8  # frames that are interpolated at a time


def between_keyframes(
    pipe: Any,
    num_frames: int,
    every: int = 2,
    *,
    fps: float | None = None,
    interpolator: str = "auto",
    **arguments: Any,
) -> Iterator[Frame]:
    """Yields the frames of a clip, (height, width, 3), 0 to 255: keyframes of the network, and frames between them.

    It costs what a clip of `keyframes_of(num_frames, every)` frames does.

    Args:
        pipe: an `ExVideoPipeline`.
        num_frames: of the whole clip.
        every: frames from one keyframe to the next; 1 makes all by the network.
        fps: frames a second of the whole clip; the network is told that of the keyframes. None for the model's own.
        interpolator: "rife", of the extra of that name; "linear", mixtures in which what moves is seen twice; or
            "auto", RIFE where it is installed.
        **arguments: of the pipeline's call, but for `output_type`, `return_dict` and `num_frames`.

    Raises:
        ValueError: a count is below 1, the keyframes' rate is below 1 a second, the interpolator cannot be had, or as
            the pipeline's call.
    """
    rate = keyframe_rate(pipe.sampling_defaults.fps if fps is None else fps, num_frames, every)
    between = load_interpolator(interpolator, execution_device(pipe.unet))
    arguments |= {"num_frames": keyframes_of(num_frames, every), "fps": rate, "output_type": "pil", "return_dict": True}
    keys = [np.asarray(picture) for picture in pipe(**arguments).frames[0]]
    left = num_frames
    for before, after in pairwise(keys):
        yield before
        yield from _frames_between(before, after, every, min(every, left) - 1, between)
        left -= every
    if left > 0:
        yield keys[-1]


def keyframes_of(num_frames: int, every: int) -> int:
    """The number of keyframes of a clip: the last one is at its end or after it."""
    return -(-(num_frames - 1) // every) + 1


def keyframe_rate(fps: float, num_frames: int, every: int) -> float:
    """The rate that the network is told, in frames a second. Raises ValueError as `between_keyframes`."""
    check_positive(num_frames=num_frames, every=every)
    if fps / every < 1:
        raise ValueError(f"Keyframes of every={every} frames would be {fps / every:g} a second: give fewer, or fps.")
    return fps / every


def _frames_between(before: Frame, after: Frame, every: int, count: int, between: Interpolate) -> Iterator[Frame]:
    ends = [torch.from_numpy(frame.astype(np.float32) / 255).permute(2, 0, 1) for frame in (before, after)]
    for places in (torch.arange(1, count + 1) / every).split(BATCH) if count else ():
        first, second = (frame.expand(len(places), -1, -1, -1) for frame in ends)
        for frame in between(first, second, places):
            yield to_uint8(frame)
