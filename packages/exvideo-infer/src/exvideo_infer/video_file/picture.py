"""From a decoded frame to the picture that a player shows: upright, with square pixels, in the colours of a screen."""

import threading
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, ceil, degrees, hypot
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, ColorTrc, VideoReformatter

from exvideo_infer.video_file.kinds import RESAMPLING, Frame, VideoError

# Transfers whose code values no screen shows as they are.
HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
# Of wide gamuts, whose code values look pale on a screen of BT.709: BT.2020, and the P3 of cinemas and of displays.
WIDE = {ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432}
_SLANTED = 0.01  # of a turn's cosine or sine, where a right angle has 0


@dataclass(frozen=True)
class Turn:
    """The way that a stored picture is to be turned: transposed first, then mirrored.

    Args:
        transposed: rows become columns.
        left_right, up_down: mirrored so.
    """

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    def __call__(self, pixels: Frame) -> Frame:
        """The picture upright."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        if self.left_right:
            pixels = pixels[:, ::-1]
        if self.up_down:
            pixels = pixels[::-1]
        return pixels

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


def turn_of(frame: av.VideoFrame, path: str | Path) -> Turn:
    """The turn that a frame's display matrix asks for (ISO/IEC 14496-12, 6.2.2); none without a matrix.

    Raises:
        VideoError: it is not by right angles.
    """
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(float)  # x' = a x + c y, y' = b x + d y
    straight, across = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(straight, across) == 0 or min(hypot(a, d), hypot(b, c)) > _SLANTED * max(hypot(a, d), hypot(b, c)):
        raise VideoError(
            f"{path} is to be shown turned by {degrees(atan2(b, a)):.0f} degrees, which is no right angle: "
            "turn it with `ffmpeg -i in.mp4 out.mp4`, which does so."
        )
    if straight > across:
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)


class Screen:
    """Turns the frames of one file into pictures.

    Args:
        path: of the file, for errors.
        pixel_aspect: width of a stored pixel over its height; None where the file does not say, and pixels are square.
        size: (height, width) of the pictures in pixels: each covers it and is cropped at its centre. Their own if None.
    """

    def __init__(self, path: str | Path, pixel_aspect: Fraction | None, size: tuple[int, int] | None) -> None:
        self.path = path
        self.pixel_aspect = pixel_aspect or Fraction(1)
        self.size = size

    def shape(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Height and width of a frame as it is shown, in square pixels; no side is made smaller."""
        height, width = self._squared(frame)
        return turn_of(frame, self.path).shape(round(height), round(width))

    def shows_as_stored(self, frame: av.VideoFrame) -> bool:
        """True if a frame's picture is what is stored, resized alike in both directions."""
        return self.pixel_aspect == 1 and turn_of(frame, self.path) == Turn() and not needs_mapping(frame)

    def show(self, frame: av.VideoFrame) -> Frame:
        """The picture of a frame, uint8 (height, width, 3), RGB in BT.709's primaries.

        Raises:
            VideoError: the frame is to be turned by an angle that is not right.
        """
        turn = turn_of(frame, self.path)
        height, width = self.size or self.shape(frame)
        squared_height, squared_width = self._squared(frame)
        stored_height, stored_width = turn.shape(height, width)
        scale = max(stored_height / squared_height, stored_width / squared_width)
        covering_height = max(stored_height, ceil(squared_height * scale - 1e-6))
        covering_width = max(stored_width, ceil(squared_width * scale - 1e-6))
        screen = (
            {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
            if needs_mapping(frame)
            else {}
        )
        # Colours of video come out the same by plane and by pixel, and by plane libswscale has faster routines.
        by_plane = not (screen or frame.format.is_rgb or frame.format.has_palette)
        layout = "gbrp" if by_plane else "rgb24"
        # Its threads cost more than a frame's conversion.
        rgb = _reformatter().reformat(
            frame, covering_width, covering_height, layout, interpolation=RESAMPLING, threads=1, **screen
        )
        if not by_plane:
            return np.ascontiguousarray(_centre(turn(np.asarray(rgb.to_ndarray(), dtype=np.uint8)), height, width))
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        green, blue, red = cast("tuple[Any, ...]", rgb.planes)  # buffers, which their types do not say
        for channel, plane in enumerate((red, green, blue)):
            values = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width, None]
            pixels[..., channel] = _centre(turn(values), height, width)[..., 0]
        return pixels

    def _squared(self, frame: av.VideoFrame) -> tuple[float, float]:
        aspect = float(self.pixel_aspect)
        return frame.height * max(1.0, 1 / aspect), frame.width * max(1.0, aspect)


def _centre(pixels: Frame, height: int, width: int) -> Frame:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


_OF_THREAD = threading.local()


def _reformatter() -> VideoReformatter:
    """One for all files of a thread, since setting one up costs more than a frame's conversion: for HDR, seconds."""
    if not hasattr(_OF_THREAD, "reformatter"):
        _OF_THREAD.reformatter = VideoReformatter()
    return _OF_THREAD.reformatter


def needs_mapping(frame: av.VideoFrame) -> bool:
    """True for HDR and wide gamuts: swscale maps tones and colours to those of a screen."""
    return frame.color_trc in HDR or frame.color_primaries in WIDE


def notes_of(frame: av.VideoFrame, pixel_aspect: Fraction | None, path: str | Path) -> list[str]:
    """Traits of a frame that are unusual, a few words each, all of them dealt with; raises as `turn_of`."""
    notes = [str(turn_of(frame, path))]
    if pixel_aspect not in (None, 1):
        notes.append(f"pixels of {pixel_aspect.numerator}:{pixel_aspect.denominator}, made square")
    bits = max(component.bits for component in frame.format.components)
    if bits > 8:
        notes.append(f"{bits} bits a colour, read as 8")
    if frame.color_trc in HDR:
        notes.append(f"HDR ({HDR[ColorTrc(frame.color_trc)]}), its tones mapped to a screen's")
    elif frame.color_primaries in WIDE:
        notes.append("a wide gamut, its colours mapped to a screen's")
    if frame.interlaced_frame:
        notes.append("interlaced, made whole frames")
    if frame.width % 2 or frame.height % 2:
        notes.append(f"an odd size, {frame.width}x{frame.height}")
    return [note for note in notes if note]
