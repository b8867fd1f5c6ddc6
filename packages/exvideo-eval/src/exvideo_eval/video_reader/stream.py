"""The video stream of a file, opened, and its frames made whole."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from exvideo_eval.video_reader.kinds import VideoReadError
from exvideo_eval.video_reader.openable import require_openable


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and the stream that a player shows; FFmpeg's errors inside the block become `VideoReadError`."""
    require_openable(path)
    try:
        with av.open(str(path.absolute())) as container:  # of "12:30.mp4", FFmpeg would take 12 for a protocol
            if container.format.name.endswith("_pipe") or container.format.name in ("image2", "tty"):
                raise VideoReadError(path.name, f"is not a video: it is a picture or text ({container.format.name})")
            stream = _stream_of(container, path)
            stream.thread_type = "AUTO"
            _require_whole(path, stream)
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoReadError(path.name, f"is corrupt or not a video ({reason})") from error


def _stream_of(container: InputContainer, path: Path) -> VideoStream:
    """The stream with the largest picture, and the most frames of those; covers and thumbnails are none."""
    if not container.streams.video:
        raise VideoReadError(path.name, "is not a video: it has no video stream")
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    if not moving:
        raise VideoReadError(path.name, "is not a video: all that it shows is a cover picture")
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise VideoReadError(path.name, "cannot be decoded: it is encrypted, or of a codec that FFmpeg does not know")

    def size(stream: VideoStream) -> tuple[int, float]:
        length = float((stream.duration or 0) * (stream.time_base or 0) * (stream.average_rate or 0))
        return stream.width * stream.height, stream.frames or length

    return max(known, key=size)


def _require_whole(path: Path, stream: VideoStream) -> None:
    """Decoders hide a missing tail when the index comes first: compare the index with the file's size."""
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    length = path.stat().st_size
    if end > length:
        raise VideoReadError(path.name, f"is truncated: its index reaches byte {end}, the file ends at {length}")


def promised_frames(stream: VideoStream) -> int:
    """Frames that the header says will be shown; 0 if it does not say.

    An edit list can hide frames that are stored, and where frames were dropped an AVI has packets of no bytes.
    """
    if not stream.frames or len(stream.index_entries) != stream.frames:
        return 0
    return sum(not entry.is_discard and entry.size > 0 for entry in stream.index_entries)


def made_whole(frames: Iterable[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """The same frames; from the first interlaced one on, both fields of each are of one moment (FFmpeg's bwdif)."""
    graph: Graph | None = None
    for frame in frames:
        if graph is None and frame.interlaced_frame:
            graph = _deinterlacer(stream)
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _deinterlacer(stream: VideoStream) -> Graph:
    """A frame for a frame, by the field order that each has; those that are whole pass."""
    graph = Graph()
    source, sink = graph.add_buffer(template=stream), graph.add("buffersink")
    deinterlacer = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    source.link_to(deinterlacer)
    deinterlacer.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        yield frame
