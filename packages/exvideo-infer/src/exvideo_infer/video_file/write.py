"""Video files out: MP4, WebM, lossless, GIF, WebP and PNG frames; a file appears only when it is whole."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from torch import Tensor

from exvideo_infer.video_file.encode import encode
from exvideo_infer.video_file.formats import Encoding, choose_encoding
from exvideo_infer.video_file.kinds import VideoError, VideoInfo
from exvideo_infer.video_file.metadata import to_comment
from exvideo_infer.video_file.pixels import as_pixels
from exvideo_infer.video_file.png_frames import write_png_frames
from exvideo_infer.video_file.whole import check_place, whole

if TYPE_CHECKING:
    from PIL.Image import Image


def write_video(
    path: str | Path,
    frames: "Iterable[NDArray[Any] | Image | Tensor]",
    fps: float,
    *,
    format: str | None = None,
    crf: int | None = None,
    pixel_format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> VideoInfo:
    """Writes a video as its frames come, one in memory at a time; the file appears only when it is whole.

    MP4 and WebM have the matrix, primaries, transfer and limited range of BT.709 and say so; an MP4's header is in
    front of its frames (faststart). MKV (FFV1 in RGB), WebP and PNG are lossless.

    Args:
        path: its suffix decides the format: `.mp4`, `.webm`, `.mkv`, `.gif`, `.webp`; none is a folder of
            PNG frames. An existing file is replaced; an existing folder with something in it is refused.
        frames: uint8 or floating (height, width, 3) arrays, the latter in [0, 1]; PIL images in RGB; uint8 tensors
            (height, width, 3), or floating ones (3, height, width) in [0, 1]. All of one size; MP4's has even sides,
            but for the pixel formats yuv444p and yuv444p10le.
        fps: frames a second, 0.01 to 1000 (GIF: 50, WebP: 90).
        format: "mp4", "webm", "mkv", "gif", "webp" or "png", whatever the suffix.
        crf: constant rate factor: MP4 0 to 51, WebM 0 to 63, less is better and larger; default 16.
        pixel_format: of MP4 and WebM, by default yuv420p; also yuv422p, yuv444p, and for MP4 these with 10le behind,
            of 10 bits.
        metadata: a JSON object for the file, which `read_metadata` returns.

    Returns:
        What was written.

    Raises:
        VideoError: if the format is unknown or has not what is asked for, the place cannot be written to, there are no
            frames, or a frame has another type, range or size than it should.
    """
    encoding = check_writable(path, format=format, crf=crf, pixel_format=pixel_format, fps=fps)
    comment = to_comment(metadata, path)
    pixels = as_pixels(frames, path)
    first = next(pixels, None)
    if first is None:
        raise VideoError(f"No frames were given for {path}: a video has at least one.")
    height, width = first.shape[:2]
    _check_sides(height, width, encoding, path)
    with whole(Path(path)) as temporary:
        all_pixels = chain([first], pixels)
        if encoding.format.container:
            rate = Fraction(fps).limit_denominator(1001)
            num_frames = encode(temporary, all_pixels, rate, encoding, comment, path)
        else:
            num_frames = write_png_frames(temporary, all_pixels, comment, path)
    return VideoInfo(num_frames, float(fps), width, height)


def check_writable(
    path: str | Path,
    *,
    format: str | None = None,
    crf: int | None = None,
    pixel_format: str | None = None,
    fps: float | None = None,
) -> Encoding:
    """Raises VideoError if `write_video` could not write `path`: to be asked before hours are spent on what goes in.

    Args:
        path, format, crf, pixel_format, fps: as for `write_video`; a rate that is not yet known is None.
    """
    encoding, path = choose_encoding(path, format, crf, pixel_format, fps), Path(path)
    check_place(path, is_folder=not encoding.format.container)
    return encoding


def _check_sides(height: int, width: int, encoding: Encoding, path: str | Path) -> None:
    halved = {"yuv420p": (True, True), "yuv422p": (False, True)}.get(encoding.pixel_format.removesuffix("10le"))
    if encoding.format.name != "mp4" or halved is None:
        return
    if (halved[0] and height % 2) or (halved[1] and width % 2):
        raise VideoError(
            f"A frame for {path} is {width}x{height}: H.264 in {encoding.pixel_format} needs an even height and width, "
            "so give the pixel format yuv444p, or write WebM."
        )
