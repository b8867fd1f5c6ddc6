"""Clips that are compared, side by side in one small video: what is in one picture cannot play out of step."""

import base64
import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from exvideo_eval.video_reader import Frame

MAX_SIDE = 256  # pixels of a clip's longer side; larger ones are shrunk
_GAP, _WHITE = 4, 255
_QUALITIES = (20, 26, 32, 38)  # x264's constant rate factors, finest first
_MIN_SIDE = 32
_KEY_FRAMES = "12"  # frames apart: what a scrubber waits for


def side_by_side(clips: Sequence[Tensor | None], fps: float, max_bytes: int) -> bytes:
    """An MP4 (H.264, yuv420p) of clips beside each other, of the first frame to the last of the longest.

    Args:
        clips: uint8 (frames, 3, height, width), one at least, all of one size; None leaves a place white, and a clip
            that ends before the others stays at its last frame.
        fps: at which they are played.
        max_bytes: of the file. Quality is lowered for it, then size; the smallest of both may still be larger.

    Raises:
        ValueError: there is no clip.
    """
    present = [clip for clip in clips if clip is not None]
    if not present:
        raise ValueError(f"Of {len(clips)} places of a row none has a clip: give one at least.")
    height, width = present[0].shape[-2:]
    scale = min(1.0, MAX_SIDE / max(height, width))
    while True:
        tiled = _tiled(clips, _even(height * scale), _even(width * scale))
        for quality in _QUALITIES if scale * max(height, width) > _MIN_SIDE else _QUALITIES[-1:]:
            video = _encoded(tiled, fps, quality)
            if len(video) <= max_bytes:
                return video
        if scale * max(height, width) <= _MIN_SIDE:
            return video
        scale /= 2


def as_data_uri(video: bytes) -> str:
    """An address that holds the video itself."""
    return f"data:video/mp4;base64,{base64.b64encode(video).decode()}"


def _even(side: float) -> int:
    """The nearest even number of pixels, as yuv420p has one colour for two by two."""
    return max(2, 2 * round(side / 2))


def _tiled(clips: Sequence[Tensor | None], height: int, width: int) -> list[Frame]:
    length = max(len(clip) for clip in clips if clip is not None)
    canvas = np.full((length, height, len(clips) * (width + _GAP) - _GAP, 3), _WHITE, np.uint8)
    for place, clip in enumerate(clips):
        if clip is not None:
            left = place * (width + _GAP)
            canvas[:, :, left : left + width] = _lengthened(_resized(clip, height, width), length)
    return list(canvas)


def _resized(clip: Tensor, height: int, width: int) -> NDArray[np.uint8]:
    if tuple(clip.shape[-2:]) != (height, width):
        frames = [
            interpolate(part.float(), size=(height, width), mode="bilinear", antialias=True).round().byte()
            for part in clip.split(16)
        ]
        clip = torch.cat(frames)
    return clip.permute(0, 2, 3, 1).numpy()


def _lengthened(frames: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    return frames[np.minimum(np.arange(length), len(frames) - 1)]


def _encoded(frames: Sequence[Frame], fps: float, quality: int) -> bytes:
    target = io.BytesIO()
    options = {"crf": str(quality), "preset": "slow", "g": _KEY_FRAMES, "bf": "0", "threads": "1"}
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
