"""Videos as phones, cameras and broadcasts store them, for tests: any format, tags, turn and times."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

# BT.709 to BT.2020 in linear light (ITU-R BT.2087, table 2).
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def write(
    path: Path,
    frames: list[np.ndarray],
    *,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    change: Callable[[Any], None] = lambda stream: None,
    tags: dict[str, int] | None = None,
    times: list[int] | None = None,
) -> Path:
    """Writes a video by x264.

    Args:
        path: of the file; its suffix says the container.
        frames: (height, width, 3), uint8 RGB, or uint16 codes of BT.2020.
        pix_fmt: of FFmpeg.
        options: of x264.
        change: called with the stream before anything is written.
        tags: attributes of the stream and of each frame, such as `color_trc`.
        times: of the frames, in 1/1000 s; at 25 frames a second if None.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4", **(options or {})})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        change(stream)
        for number, pixels in enumerate(frames):
            deep = pixels.dtype == np.uint16
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le" if deep else "rgb24")
            frame = VideoReformatter().reformat(
                frame, format=pix_fmt, dst_colorspace=Colorspace.BT2020 if deep else Colorspace.ITU601,
                dst_color_range=(tags or {}).get("color_range", ColorRange.MPEG),
            )  # fmt: skip
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pq(nits: np.ndarray) -> np.ndarray:
    """Absolute luminance, cd/m2, to code values in [0, 1] (SMPTE ST 2084, equation 5.2)."""
    y = np.clip(nits / 10_000, 0, 1) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
