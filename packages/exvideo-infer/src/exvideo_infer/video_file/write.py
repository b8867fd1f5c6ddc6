"""MP4 files out through PyAV: one frame in memory at a time; a file appears only when it is whole."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from torch import Tensor

from exvideo_infer.video_file.kinds import RESAMPLING, Frame, VideoError, VideoInfo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from PIL.Image import Image

# cpu-independent: without it x264's fastest routines do not always turn the same frames into the same file.
ENCODER_OPTIONS = {
    # Visually lossless: what is measured on our files should be the model's doing, not the encoder's.
    "crf": "16",
    # Colours are halved in size around the middle of four pixels, and the file says so. Without it readers take them to
    # sit on the left ones, and coloured things come back 0.4 pixels to the left.
    "x264-params": "chromaloc=1:cpu-independent=1",
}


def write_video(path: str | Path, frames: "Iterable[Frame | Image | Tensor]", fps: float) -> VideoInfo:
    """Writes an MP4 file (H.264, yuv420p) as the frames come; the file appears only when it is whole.

    Args:
        path: the file to write, ending in `.mp4`; an existing one is replaced.
        frames: uint8 (height, width, 3) arrays or tensors, or PIL images, all of one size with even sides.
        fps: frames a second.

    Returns:
        What was written.

    Raises:
        VideoError: if the name does not end in `.mp4`, its folder cannot be written to, there are no frames, `fps` is
            not positive, or a frame has another type or size than it should.
    """
    check_writable(path)
    if not fps > 0:
        raise VideoError(f"{path} cannot have {fps} frames a second: give a positive number.")
    with _whole_file(Path(path)) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream: av.VideoStream | None = None
        reformatter = VideoReformatter()
        num_frames = 0
        for pixels in (_as_pixels(frame, path) for frame in frames):
            stream = stream or _add_stream(container, pixels, fps)
            if pixels.shape[:2] != (stream.height, stream.width):
                raise VideoError(f"Frame {num_frames} for {path} is {_size(pixels)}, the first was not: give one size.")
            container.mux(stream.encode(_to_yuv(pixels, reformatter)))
            num_frames += 1
        if stream is None:
            raise VideoError(f"No frames were given for {path}: a video has at least one.")
        container.mux(stream.encode(None))
        return VideoInfo(num_frames, float(fps), stream.width, stream.height)


def check_writable(path: str | Path) -> None:
    """Raises VideoError if `write_video` could not write `path`: to be asked before hours are spent on what goes in."""
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise VideoError(f"{path} does not end in .mp4: MP4 is what is written.")
    if path.is_dir():
        raise VideoError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise VideoError(f"{path} cannot be written: there is no folder {path.parent}, so create it first.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror} in {path.parent.absolute()}.") from error


def _as_pixels(frame: "Frame | Image | Tensor", path: str | Path) -> Frame:
    pixels = frame.cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise VideoError(
            f"A frame for {path} is {pixels.dtype} {pixels.shape}: give uint8 (height, width, 3), red, green and blue."
        )
    if pixels.shape[0] % 2 or pixels.shape[1] % 2:
        raise VideoError(f"A frame for {path} is {_size(pixels)}: yuv420p needs an even height and width.")
    return np.ascontiguousarray(pixels)


def _size(pixels: Frame) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"


def _add_stream(container: "OutputContainer", pixels: Frame, fps: float) -> av.VideoStream:
    stream: av.VideoStream = container.add_stream(
        "libx264", rate=Fraction(fps).limit_denominator(1001), options=ENCODER_OPTIONS
    )
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = "yuv420p"
    # Said in the file, since players guess BT.709 or BT.601 from the size where it is not.
    stream.codec_context.colorspace = 6  # BT.601, FFmpeg's AVCOL_SPC_SMPTE170M
    stream.codec_context.color_range = ColorRange.MPEG.value
    return stream


def _to_yuv(pixels: Frame, reformatter: VideoReformatter) -> av.VideoFrame:
    return reformatter.reformat(
        av.VideoFrame.from_ndarray(pixels, format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=RESAMPLING,
        threads=1,
    )


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except av.FFmpegError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
