"""Video files in through PyAV: one frame in memory at a time, damaged files named, pictures as a player shows them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from av.filter import Graph
from torch import Tensor

from exvideo_infer.video_file.kinds import Frame, VideoError, VideoInfo
from exvideo_infer.video_file.picture import Screen, notes_of

if TYPE_CHECKING:
    from av.container import InputContainer

# Of the longest wait between two frames over the median one: more is no jitter of whole milliseconds.
_STEADY = 1.25


@dataclass(frozen=True)
class Examination:
    """A file that was decoded from its beginning to its end.

    Args:
        info: of the frames that there are, which may be fewer than the file promises.
        damaged: places of frames among them that cannot be decoded; no clip that holds one can be read.
        as_stored: False if what is shown is not what is stored, pixel by pixel: it is turned, say, or interlaced.
        notes: what is unusual about the file, a few words each, all of it dealt with by whoever reads it here.
    """

    info: VideoInfo
    damaged: tuple[int, ...]
    as_stored: bool
    notes: tuple[str, ...]


def probe(path: str | Path) -> VideoInfo:
    """Reads a video's length, rate and size; its frames are counted where the header has no number.

    Raises:
        VideoError: if the file is missing or is not a video.
    """
    with _open(path) as (container, stream):
        num_frames = _frames_in_header(stream)
        frame = next(iter(container.decode(stream)), None)
        num_frames = num_frames or _count_packets(path)
        rate = stream.average_rate or stream.guessed_rate
        if not num_frames or not rate or frame is None:
            raise VideoError(f"{path} has {num_frames} frames at a rate of {rate}: a video that can be read has both.")
        height, width = Screen(path, stream.sample_aspect_ratio, None).shape(frame)
        return VideoInfo(num_frames, float(rate), width, height)


def examine(path: str | Path) -> Examination:
    """Decodes a whole video, to know how many of its frames there are, and what is unusual about it.

    Raises:
        VideoError: if the file is missing, is not a video, or has no frame that can be read.
    """
    with _open(path) as (container, stream):
        stream.thread_type = "SLICE"  # so that a packet that cannot be decoded takes no other's frame with it
        promised, rate = _frames_in_header(stream), stream.average_rate or stream.guessed_rate
        order: list[tuple[int, bool]] = []  # time and key frame or not, in the order of decoding
        good: set[int] = set()
        bad: set[int] = set()
        first: av.VideoFrame | None = None
        interlaced = False
        for packet, frames in _decoded_packets(container, stream):
            if packet.pts is not None and packet.size and not packet.is_discard:
                order.append((packet.pts, packet.is_keyframe))
                if isinstance(frames, av.FFmpegError):
                    bad.add(packet.pts)
            for frame in [] if isinstance(frames, av.FFmpegError) else frames:
                first = first or frame
                interlaced |= frame.interlaced_frame
                if frame.pts is not None:
                    (bad if frame.is_corrupt else good).add(frame.pts)
        if bad:
            bad = _built_on(bad | {pts for pts, _ in order} - good, order)
        if first is None or not rate or not good:
            raise VideoError(f"{path} is damaged: none of its frames can be read, so leave it out.")
        screen = Screen(path, stream.sample_aspect_ratio, None)
        height, width = screen.shape(first)
        as_stored = screen.shows_as_stored(first) and not interlaced and stream is container.streams.video[0]
        places = {pts: place for place, pts in enumerate(sorted(good | bad))}
        notes = notes_of(first, stream.sample_aspect_ratio, path)
        if interlaced and not first.interlaced_frame:
            notes.append("interlaced in parts, made whole frames")
        notes += _notes_of_times([float(pts * (stream.time_base or 1)) for pts in sorted(good)])
        damaged = tuple(sorted(places[pts] for pts in bad))
        if damaged:
            notes.append(f"damaged at frame {_spans(damaged)}: clips without it are used")
        if len(places) < promised:
            notes.append(f"{promised} frames promised, {len(places)} there")
        return Examination(VideoInfo(len(places), float(rate), width, height), damaged, as_stored, tuple(notes))


def read_clip(
    path: str | Path, start: int = 0, num_frames: int | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Reads consecutive frames, as a player shows them: upright, with square pixels, in the colours of a screen.

    Interlaced frames are made whole (FFmpeg's bwdif); HDR and wide gamuts are mapped to BT.709 (libswscale).

    Args:
        path: the video file.
        start: index of the first frame.
        num_frames: how many; all that follow if None.
        size: (height, width) in pixels: frames are resized so that they cover this size, then cropped at their centre.

    Returns:
        uint8 (frames, 3, height, width), RGB.

    Raises:
        VideoError: if the file is missing, not a video, cut short, damaged in a way that its decoder notices, or has
            fewer frames than asked for, or is to be shown at an angle that is not right.
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
        screen = Screen(path, stream.sample_aspect_ratio, size)
        for frame in _whole_frames(_decode_from(container, stream, start), stream):
            if frame.is_corrupt:
                raise VideoError(f"{path} is damaged at frame {start + count}: leave it out or encode it again.")
            yield screen.show(frame)
            count += 1
            if count == num_frames:
                return
    if count and start + count < total:
        raise VideoError(f"{path} is cut short: only {start + count} of its {total} frames can be read.")
    if count == 0 or num_frames is not None:
        wanted = "frames" if num_frames is None else f"{num_frames} frames"
        raise VideoError(f"{path} has too few frames: {wanted} from {start} on were asked for, {count} can be read.")


@contextmanager
def _open(path: str | Path) -> "Iterator[tuple[InputContainer, av.VideoStream]]":
    if not Path(path).is_file():
        raise VideoError(f"{path} is not a file." if Path(path).exists() else f"{path} does not exist.")
    try:
        with av.open(str(path)) as container:
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


def _frames_in_header(stream: av.VideoStream) -> int:
    """Frames that will be shown; 0 if the header does not say."""
    if not stream.frames or len(stream.index_entries) != stream.frames:
        return 0
    # An edit list can discard frames, which are then in the header's number but never decoded; and where frames were
    # dropped, AVI has packets of no bytes.
    return sum(not entry.is_discard and entry.size > 0 for entry in stream.index_entries)


def _decoded_packets(
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


def _built_on(bad: set[int], order: list[tuple[int, bool]]) -> set[int]:
    """Times of frames that cannot be right: bad ones, and all that are decoded after one, to the next key frame."""
    found, spoilt = set(bad), False
    for pts, is_key in order:
        spoilt = pts in bad or (spoilt and not is_key)
        if spoilt:
            found.add(pts)
    return found


def _spans(places: tuple[int, ...]) -> str:
    """Numbers in words: "3, 7 to 9"."""
    spans: list[list[int]] = []
    for place in places:
        if spans and place == spans[-1][-1] + 1:
            spans[-1][1:] = [place]
        else:
            spans.append([place])
    words = [" to ".join(map(str, span)) for span in spans]
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def _count_packets(path: str | Path) -> int:
    with _open(path) as (container, stream):
        return sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))


def _decode_from(container: "InputContainer", stream: av.VideoStream, start: int) -> Iterator[av.VideoFrame]:
    """Decodes from frame `start` on, beginning at the key frame before it; exact at a constant rate or not."""
    if start == 0:
        yield from _decode(container, stream)
        return
    packets = [(p.pts, p.dts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_discard]
    times = sorted(pts for pts, _, _ in packets if pts is not None)
    if start >= len(times):
        return
    # Containers seek by decoding time, and frames shown before a key frame may be stored after it.
    keys = [dts for pts, dts, is_key in packets if is_key and pts is not None and pts <= times[start]]
    container.seek(keys[-1] if keys and keys[-1] is not None else times[0], stream=stream)
    yield from (frame for frame in _decode(container, stream) if frame.pts is not None and frame.pts >= times[start])


def _decode(container: "InputContainer", stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """All frames; where one cannot be decoded, first those before it that are still in the decoder's threads."""
    for _, frames in _decoded_packets(container, stream):
        if isinstance(frames, av.FFmpegError):
            yield from stream.codec_context.decode(None)
            raise frames
        yield from frames


def _whole_frames(frames: Iterable[av.VideoFrame], stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The same frames; from the first interlaced one on, both fields of each are of one moment."""
    graph: Graph | None = None
    for frame in frames:
        if graph is None and frame.interlaced_frame:
            graph = Graph()
            source, sink = graph.add_buffer(template=stream), graph.add("buffersink")
            # A frame for a frame, by the field order that each has; those that are whole pass.
            deinterlacer = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
            source.link_to(deinterlacer)
            deinterlacer.link_to(sink)
            graph.configure()
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


def _notes_of_times(times: list[float]) -> list[str]:
    waits = np.array([later - earlier for earlier, later in pairwise(times)])
    if not len(waits) or waits.min() <= 0 or waits.max() <= _STEADY * float(np.median(waits)):
        return []
    return [f"a variable rate, {1 / waits.max():.3g} to {1 / waits.min():.3g} frames a second, taken one by one"]
