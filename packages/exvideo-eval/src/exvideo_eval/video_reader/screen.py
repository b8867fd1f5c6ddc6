"""From a decoded frame to the picture that a player shows: upright, with square pixels, in the colours of a screen."""

import threading
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, ceil, degrees, hypot
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

from exvideo_eval.video_reader.kinds import Frame, VideoReadError

RESIZING = "bicubic (libswscale), to cover the size, then cut at the centre"
# swscale's faster defaults are off by 1.5 levels of 255 on a smooth gradient, these by 0.9.
_RESAMPLING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

# Transfers whose code values no screen shows as they are.
_HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
# Of wide gamuts, whose code values look pale on a screen of BT.709.
_WIDE = {ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432}
_SLANTED = 0.01  # of a turn's cosine or sine, where a right angle has 0


@dataclass(frozen=True)
class Turn:
    """The way that a stored picture is to be turned: transposed first, then mirrored."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    def __call__(self, pixels: Frame) -> Frame:
        """The picture (height, width, channels) upright."""
        pixels = pixels.transpose(1, 0, 2) if self.transposed else pixels
        return pixels[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of these has when it is upright, and the other way round."""
        return (width, height) if self.transposed else (height, width)

    def __str__(self) -> str:
        """A note: "turned by 90 degrees"; empty for a picture that is stored upright."""
        if self.transposed != (self.left_right != self.up_down):
            return "mirrored"
        if self.transposed:
            return f"turned by {90 if self.left_right else 270} degrees"
        return "turned by 180 degrees" if self.left_right else ""


def turn_of(frame: av.VideoFrame, file: str) -> Turn:
    """The turn that a frame's display matrix asks for (ISO/IEC 14496-12, 6.2.2); none without a matrix.

    Raises:
        VideoReadError: it is not by right angles.
    """
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(float)  # x' = a x + c y, y' = b x + d y
    straight, across = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(straight, across) == 0 or min(hypot(a, d), hypot(b, c)) > _SLANTED * max(hypot(a, d), hypot(b, c)):
        angle = degrees(atan2(b, a))
        raise VideoReadError(
            file,
            f"is to be shown turned by {angle:.0f} degrees, which is no right angle: turn it with "
            "`ffmpeg -i in.mp4 out.mp4`, which does so",
        )
    return Turn(False, a < 0, d < 0) if straight > across else Turn(True, c < 0, b < 0)


class Screen:
    """Turns the frames of one file into pictures.

    Args:
        file: its name, for errors.
        pixel_aspect: width of a stored pixel over its height; None where the file does not say, and pixels are square.
        size: (height, width) of the pictures in pixels: each covers it and is cut at its centre. Their own if None.
    """

    def __init__(self, file: str, pixel_aspect: Fraction | None, size: tuple[int, int] | None) -> None:
        self.file = file
        self.pixel_aspect = pixel_aspect or Fraction(1)
        self.size = size

    def shape(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Height and width of a frame as it is shown, in square pixels; no side is made smaller."""
        height, width = self._squared(frame)
        return turn_of(frame, self.file).shape(round(height), round(width))

    def show(self, frame: av.VideoFrame) -> Frame:
        """The picture of a frame, uint8 (height, width, 3), RGB in BT.709's primaries.

        Raises:
            VideoReadError: the frame is to be turned by an angle that is not right.
        """
        turn = turn_of(frame, self.file)
        size = self.size or self.shape(frame)
        covering = self._covering(frame, *turn.shape(*size))
        if _needs_mapping(frame) or frame.format.is_rgb or frame.format.has_palette:
            colours = {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
            rgb = _reformatted(frame, covering, "rgb24", **(colours if _needs_mapping(frame) else {}))
            return np.ascontiguousarray(_centre(turn(np.asarray(rgb.to_ndarray(), dtype=np.uint8)), *size))
        # Colours of video come out the same by plane and by pixel, and by plane libswscale has faster routines.
        planar = _reformatted(frame, covering, "gbrp")
        pixels = np.empty((*size, 3), dtype=np.uint8)
        green, blue, red = cast("tuple[Any, ...]", planar.planes)  # buffers, which their types do not say
        for channel, plane in enumerate((red, green, blue)):
            values = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width, None]
            pixels[..., channel] = _centre(turn(values), *size)[..., 0]
        return pixels

    def _squared(self, frame: av.VideoFrame) -> tuple[float, float]:
        aspect = float(self.pixel_aspect)
        return frame.height * max(1.0, 1 / aspect), frame.width * max(1.0, aspect)

    def _covering(self, frame: av.VideoFrame, height: int, width: int) -> tuple[int, int]:
        """Height and width, as stored, at which a frame covers `height` and `width`, which are as stored, too."""
        squared = self._squared(frame)
        scale = max(height / squared[0], width / squared[1])
        return max(height, ceil(squared[0] * scale - 1e-6)), max(width, ceil(squared[1] * scale - 1e-6))


def notes_of(frame: av.VideoFrame, pixel_aspect: Fraction | None, file: str) -> list[str]:
    """Traits of a frame that are unusual, a few words each, all of them dealt with; raises as `turn_of`."""
    notes = [str(turn_of(frame, file))]
    if pixel_aspect is not None and pixel_aspect != 1:
        notes.append(f"pixels of {pixel_aspect.numerator}:{pixel_aspect.denominator}, made square")
    bits = max(component.bits for component in frame.format.components)
    if bits > 8:
        notes.append(f"{bits} bits a colour, read as 8")
    if frame.color_trc in _HDR:
        notes.append(f"HDR ({_HDR[ColorTrc(frame.color_trc)]}), its tones mapped to a screen's")
    elif frame.color_primaries in _WIDE:
        notes.append("a wide gamut, its colours mapped to a screen's")
    if frame.interlaced_frame:
        notes.append("interlaced, made whole frames")
    if frame.width % 2 or frame.height % 2:
        notes.append(f"an odd size, {frame.width}x{frame.height}")
    return [note for note in notes if note]


def _needs_mapping(frame: av.VideoFrame) -> bool:
    return frame.color_trc in _HDR or frame.color_primaries in _WIDE


def _centre(pixels: Frame, height: int, width: int) -> Frame:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


_OF_THREAD = threading.local()


def _reformatted(frame: av.VideoFrame, size: tuple[int, int], layout: str, **colours: Any) -> av.VideoFrame:
    """By one reformatter a thread, as setting one up costs more than a frame's conversion, and so do its threads."""
    if not hasattr(_OF_THREAD, "reformatter"):
        _OF_THREAD.reformatter = VideoReformatter()
    height, width = size
    shown: av.VideoFrame = _OF_THREAD.reformatter.reformat(
        frame, width, height, layout, interpolation=_RESAMPLING, threads=1, **colours
    )
    return shown
