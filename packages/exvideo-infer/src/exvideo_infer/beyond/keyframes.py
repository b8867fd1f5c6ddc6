"""Keyframes and interpolation: the network makes one frame in so many, and those between are computed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvideo_infer.request import check_positive

Frame = NDArray[np.uint8]


def between_keyframes(
    pipe: Any, num_frames: int, every: int = 2, *, fps: float | None = None, **arguments: Any
) -> Iterator[Frame]:
    """Yields the frames of a clip, (height, width, 3), 0 to 255: keyframes of the network, and mixtures of two between.

    It costs what a clip of (num_frames - 1) / every + 1 frames, rounded up, does. Mixtures are linear: what moves fast
    is seen twice between two keyframes.

    Args:
        pipe: an `ExVideoPipeline`.
        num_frames: of the whole clip.
        every: frames from one keyframe to the next; 1 makes all by the network.
        fps: frames a second of the whole clip; the network is told that of the keyframes. None for the model's own.
        **arguments: of the pipeline's call, but for `output_type`, `return_dict` and `num_frames`.

    Raises:
        ValueError: a count is below 1, the keyframes' rate is below 1 a second, or as the pipeline's call.
    """
    check_positive(num_frames=num_frames, every=every)
    rate = (pipe.sampling_defaults.fps if fps is None else fps) / every
    if rate < 1:
        raise ValueError(f"Keyframes of every={every} frames would be {rate:g} a second: give fewer, or fps.")
    keys = -(-(num_frames - 1) // every) + 1
    arguments |= {"num_frames": keys, "fps": rate, "output_type": "pil", "return_dict": True}
    clip = [np.asarray(picture) for picture in pipe(**arguments).frames[0]]
    for number in range(num_frames):
        before, place = divmod(number, every)
        if place == 0:
            yield clip[before]
        else:
            share = place / every
            mixed = clip[before] * (1 - share) + clip[before + 1] * share
            yield np.round(mixed).astype(np.uint8)
