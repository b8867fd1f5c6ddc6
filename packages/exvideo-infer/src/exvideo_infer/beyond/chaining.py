"""Last-frame chaining: clip after clip, each from the last frame of the one before."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from exvideo_infer.request import check_positive

Frame = NDArray[np.uint8]


def chain(
    pipe: Any,
    num_frames: int,
    image: Image.Image | None = None,
    *,
    length: int | None = None,
    continues: Sequence[Frame] | None = None,
    **arguments: Any,
) -> Iterator[Frame]:
    """Yields the frames of a clip of any length, (height, width, 3), 0 to 255.

    It costs as many evaluations as clips are made: (num_frames - 1) / (length - 1), rounded up. What a clip forgets of
    those before but their last frame, it cannot keep: subjects that were hidden are gone. It ends with a clip that is
    interrupted.

    Args:
        pipe: an `ExVideoPipeline`.
        num_frames: of all clips together; of those that come after the clip that is continued.
        image: first frame; None where `prompt` is to make it, or a clip is continued.
        length: frames of each clip, the one that it begins with included; None for the model's own.
        continues: frames of a clip that is gone on with, which are not yielded.
        **arguments: of the pipeline's call, but for `output_type`, `return_dict`, `latents`, `num_frames`.

    Raises:
        ValueError: a length is too small, both an image and a clip are given, or as the pipeline's call.
    """
    length = pipe.default_num_frames if length is None else length
    check_positive(num_frames=num_frames)
    if length < 2:
        raise ValueError(f"length is {length}: a clip that goes on from a frame has at least 2.")
    if continues is not None:
        if image is not None or not len(continues):
            raise ValueError("Of a clip that is continued the last frame is the image: give a clip of frames alone.")
        image = Image.fromarray(continues[-1])
    arguments = {name: value for name, value in arguments.items() if name not in ("output_type", "return_dict")}
    left, skip = num_frames, int(continues is not None)
    while left > 0:
        made = pipe(image, num_frames=min(length, left + skip), output_type="pil", **arguments)
        clip = made.frames[0]
        for picture in clip[skip:]:
            yield np.asarray(picture)
        if made.interrupted:
            return
        left -= len(clip) - skip
        image, skip = clip[-1], 1
        if not pipe.reads_text:
            arguments.pop("prompt", None)  # it has made the first frame, and can do no more


def clips_of_chain(num_frames: int, length: int, continues: bool = False) -> int:
    """The number of clips that `chain` samples."""
    return -(-(num_frames - (0 if continues else 1)) // (length - 1))
