"""Frames into one file through PyAV: one frame in memory at a time, its colours converted as the file's tags say."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from PIL import Image

from exvideo_infer.video_file.formats import Encoding
from exvideo_infer.video_file.kinds import RESAMPLING, Frame, writing
from exvideo_infer.video_file.metadata import add_to_gif, add_to_webp

if TYPE_CHECKING:
    from av.container import OutputContainer

# Code points of ITU-T H.273. Said in the file, since players guess BT.709 or BT.601 from the size where it is not.
BT709 = {
    "colorspace": Colorspace.ITU709.value,
    "color_primaries": ColorPrimaries.BT709.value,
    "color_trc": ColorTrc.BT709.value,
    "color_range": ColorRange.MPEG.value,
}
SRGB = {
    "colorspace": 0,  # the identity: red, green and blue themselves
    "color_primaries": ColorPrimaries.BT709.value,
    "color_trc": ColorTrc.IEC61966_2_1.value,
    "color_range": ColorRange.JPEG.value,
}


def encode(
    path: Path, frames: Iterable[Frame], fps: Fraction, encoding: Encoding, comment: str | None, name: str | Path
) -> int:
    """Encodes frames of one size to a file; returns how many.

    Args:
        path: the file to write.
        frames: uint8 (height, width, 3), RGB, at least one.
        fps: frames a second.
        encoding: of a format that has a container.
        comment: what the file says about itself; None leaves it out.
        name: of the file, for errors.

    Raises:
        VideoError: the encoder refuses the frames, or the disk is full.
    """
    convert, kind = _converter(encoding), encoding.format
    with writing(name):
        container = av.open(str(path.absolute()), "w", format=kind.container, options=dict(kind.container_options))
    try:
        if comment is not None:
            container.metadata["comment"] = comment  # passed over by the formats that have none
        stream: av.VideoStream | None = None
        count = 0
        for pixels in frames:
            with writing(name):
                stream = stream or _add_stream(container, pixels, fps, encoding)
                container.mux(stream.encode(convert(pixels)))
            count += 1
        with writing(name):
            container.mux(stream.encode(None) if stream else [])
    finally:
        with writing(name):
            container.close()
    with writing(name):
        if comment is not None and kind.name == "gif":
            add_to_gif(path, comment)
        if comment is not None and kind.name == "webp":
            add_to_webp(path, comment)
    return count


def _add_stream(container: "OutputContainer", pixels: Frame, fps: Fraction, encoding: Encoding) -> av.VideoStream:
    stream: av.VideoStream = container.add_stream(encoding.format.codec, rate=fps, options=encoding.options)
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = encoding.pixel_format
    _tag(stream.codec_context, encoding)
    return stream


def _tag(tagged: "av.VideoCodecContext | av.VideoFrame", encoding: Encoding) -> None:
    for name, value in (BT709 if encoding.format.is_yuv else SRGB).items():
        setattr(tagged, name, value)


def _converter(encoding: Encoding) -> "Callable[[Frame], av.VideoFrame]":
    """Turns pixels into frames of the encoder's pixel format."""
    if encoding.pixel_format == "pal8":
        return _to_palette
    reformatter = VideoReformatter()
    colours = {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG}

    def convert(pixels: Frame) -> av.VideoFrame:
        frame = reformatter.reformat(
            av.VideoFrame.from_ndarray(pixels, format="rgb24"),
            format=encoding.pixel_format,
            interpolation=RESAMPLING,
            threads=1,
            **(colours if encoding.format.is_yuv else {}),
        )
        _tag(frame, encoding)
        return frame

    return convert


def _to_palette(pixels: Frame) -> av.VideoFrame:
    """A frame of 256 colours of its own (median cut), dithered (Floyd and Steinberg)."""
    picture = Image.fromarray(pixels)
    colours = picture.quantize(256)
    dithered = picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.zeros((256, 4), np.uint8)
    rgb = np.array(dithered.getpalette(), np.uint8).reshape(-1, 3)
    palette[:, 0], palette[: len(rgb), 1:] = 255, rgb
    return av.VideoFrame.from_ndarray((np.asarray(dithered), palette), format="pal8")
