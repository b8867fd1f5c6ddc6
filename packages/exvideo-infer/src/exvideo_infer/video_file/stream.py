"""The video stream of a file, opened, and its packets: what reading and examining share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av

from exvideo_infer.video_file.kinds import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer


@contextmanager
def open_video(path: str | Path) -> "Iterator[tuple[InputContainer, av.VideoStream]]":
    """Opens a file with the stream that is its video.

    Raises:
        VideoError: at entry or within, in place of whatever FFmpeg raises; the file is missing or is no video.
    """
    if not Path(path).is_file():
        raise VideoError(f"{path} is not a file." if Path(path).exists() else f"{path} does not exist.")
    try:
        with av.open(str(Path(path).absolute())) as container:  # of "12:30.mp4", FFmpeg would take 12 for a protocol
            stream = _stream_of(container, path)
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video, or is damaged or cut short: {error.strerror}.") from error


def _stream_of(container: "InputContainer", path: str | Path) -> av.VideoStream:
    """The stream with the largest picture, and the most frames of those; covers and thumbnails are none."""
    streams = container.streams.video
    if not streams:
        raise VideoError(f"{path} is not a video: it has no video stream.")
    if container.format.name == "tty":
        raise VideoError(f"{path} is not a video: it is text.")
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [stream for stream in streams if not stream.disposition & still]
    if not moving:
        raise VideoError(f"{path} is not a video: all that it shows is a cover picture.")

    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise VideoError(f"{path} cannot be decoded: it is encrypted, or of a codec that FFmpeg does not know here.")

    def size(stream: av.VideoStream) -> tuple[int, float]:
        length = float((stream.duration or 0) * (stream.time_base or 0) * (stream.average_rate or 0))
        return stream.width * stream.height, stream.frames or length

    return max(known, key=size)


def frames_in_header(stream: av.VideoStream) -> int:
    """Frames that will be shown; 0 if the header does not say."""
    if not stream.frames or len(stream.index_entries) != stream.frames:
        return 0
    # An edit list can discard frames, which are then in the header's number but never decoded; and where frames were
    # dropped, AVI has packets of no bytes.
    return sum(not entry.is_discard and entry.size > 0 for entry in stream.index_entries)


def decoded_packets(
    container: "InputContainer", stream: av.VideoStream
) -> "Iterator[tuple[av.Packet, list[av.VideoFrame] | av.FFmpegError]]":
    """Packets to where the file ends or can be read no further, and their frames, or why they cannot be decoded."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield packet, [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
        except av.FFmpegError as error:
            yield packet, error


def count_packets(path: str | Path) -> int:
    """Frames of a file whose header does not say, by its packets; nothing is decoded."""
    with open_video(path) as (container, stream):
        return sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))
