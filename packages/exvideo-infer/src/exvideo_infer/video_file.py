"""MP4 files in and out through PyAV: one frame in memory at a time, damaged files named."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from PIL.Image import Image

Frame = NDArray[np.uint8]  # (height, width, 3), RGB

# cpu-independent: without it x264's fastest routines do not always turn the same frames into the same file.
ENCODER_OPTIONS = {
    # Visually lossless: what is measured on our files should be the model's doing, not the encoder's.
    "crf": "16",
    # Colours are halved in size around the middle of four pixels, and the file says so. Without it readers take them to
    # sit on the left ones, and coloured things come back 0.4 pixels to the left.
    "x264-params": "chromaloc=1:cpu-independent=1",
}
# A smooth gradient comes back 0.9 levels of 255 off on average, against 1.5 with swscale's faster defaults.
RESAMPLING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class VideoError(ValueError):
    """A video file that cannot be read or written; the message names the file."""


@dataclass(frozen=True)
class VideoInfo:
    """The contents of a video file: its number of frames, mean frames a second, width and height in pixels."""

    num_frames: int
    fps: float
    width: int
    height: int


def probe(path: str | Path) -> VideoInfo:
    """Reads a video's length, rate and size; its frames are counted where the header has no number.

    Raises:
        VideoError: if the file is missing or is not a video.
    """
    with _open(path) as (container, stream):
        num_frames = _frames_in_header(stream)
        if not num_frames:
            num_frames = sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))
        rate = stream.average_rate or stream.guessed_rate
        if not num_frames or not rate:
            raise VideoError(f"{path} has {num_frames} frames at a rate of {rate}: a video that can be read has both.")
        return VideoInfo(num_frames, float(rate), stream.width, stream.height)


def read_clip(
    path: str | Path, start: int = 0, num_frames: int | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Reads consecutive frames.

    Args:
        path: the video file.
        start: index of the first frame.
        num_frames: how many; all that follow if None.
        size: (height, width) in pixels: frames are resized so that they cover this size, then cropped at their centre.

    Returns:
        uint8 (frames, 3, height, width), RGB.

    Raises:
        VideoError: if the file is missing, not a video, cut short, damaged in a way that its decoder notices, or has
            fewer frames than asked for.
    """
    frames = np.stack(list(iter_frames(path, start, num_frames, size)))
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()


def iter_frames(
    path: str | Path, start: int = 0, num_frames: int | None = None, size: tuple[int, int] | None = None
) -> Iterator[Frame]:
    """Yields what `read_clip` returns, one uint8 (height, width, 3) frame after the other; raises the same."""
    if start < 0 or (num_frames is not None and num_frames < 1):
        raise VideoError(f"{path}: {num_frames} frames from {start} were asked for; count from 0, and at least one.")
    count = 0
    with _open(path) as (container, stream):
        total = _frames_in_header(stream)
        reformatter = VideoReformatter()
        for frame in _decode_from(container, stream, start):
            if frame.is_corrupt:
                raise VideoError(f"{path} is damaged at frame {start + count}: leave it out or encode it again.")
            yield _to_rgb(frame, size, reformatter)
            count += 1
            if count == num_frames:
                return
    if count and start + count < total:
        raise VideoError(f"{path} is cut short: only {start + count} of its {total} frames can be read.")
    if count == 0 or num_frames is not None:
        wanted = "frames" if num_frames is None else f"{num_frames} frames"
        raise VideoError(f"{path} has too few frames: {wanted} from {start} on were asked for, {count} can be read.")


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


@contextmanager
def _open(path: str | Path) -> "Iterator[tuple[InputContainer, av.VideoStream]]":
    if not Path(path).is_file():
        raise VideoError(f"{path} is not a file." if Path(path).exists() else f"{path} does not exist.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path} is not a video: it has no video stream.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video, or is damaged or cut short: {error.strerror}.") from error


def _frames_in_header(stream: av.VideoStream) -> int:
    """Frames that will be shown; 0 if the header does not say."""
    if not stream.frames or len(stream.index_entries) != stream.frames:
        return 0
    # An edit list can discard frames, which are then in the header's number but never decoded.
    return sum(not entry.is_discard for entry in stream.index_entries)


def _decode_from(container: "InputContainer", stream: av.VideoStream, start: int) -> Iterator[av.VideoFrame]:
    """Decodes from frame `start` on, beginning at the key frame before it; exact at a constant rate or not."""
    if start == 0:
        yield from container.decode(stream)
        return
    packets = [(p.pts, p.dts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_discard]
    times = sorted(pts for pts, _, _ in packets if pts is not None)
    if start >= len(times):
        return
    # Containers seek by decoding time, and frames shown before a key frame may be stored after it.
    keys = [dts for pts, dts, is_key in packets if is_key and pts is not None and pts <= times[start]]
    container.seek(keys[-1] if keys and keys[-1] is not None else times[0], stream=stream)
    yield from (frame for frame in container.decode(stream) if frame.pts is not None and frame.pts >= times[start])


def _to_rgb(frame: av.VideoFrame, size: tuple[int, int] | None, reformatter: VideoReformatter) -> Frame:
    height, width = size or (frame.height, frame.width)
    scale = max(height / frame.height, width / frame.width)
    covering_height, covering_width = (ceil(frame.height * scale - 1e-6), ceil(frame.width * scale - 1e-6))
    # One reformatter for the file: setting one up costs more than a frame's conversion. So do its threads.
    rgb = reformatter.reformat(frame, covering_width, covering_height, "rgb24", interpolation=RESAMPLING, threads=1)
    pixels = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
    top, left = (covering_height - height) // 2, (covering_width - width) // 2
    return pixels[top : top + height, left : left + width]


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
