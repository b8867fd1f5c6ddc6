"""Video files in through PyAV: one frame in memory at a time, damaged files named, pictures as a player shows them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from av.filter import Graph
from torch import Tensor

from exvideo_infer.video_file.kinds import Frame, VideoError
from exvideo_infer.video_file.picture import Screen
from exvideo_infer.video_file.stream import decoded_packets, frames_in_header, open_video

if TYPE_CHECKING:
    from av.container import InputContainer

# Frames that are decoded and passed over sooner than the reader seeks.
_WORTH_A_LEAP = 32


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
    with open_video(path) as (container, stream):
        total = frames_in_header(stream)
        screen = Screen(path, stream.sample_aspect_ratio, size)
        index = None if start == 0 else _index_of(path)
        for frame in _whole_frames(_decode_from(container, stream, start, index), stream):
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


def iter_frames_at(
    path: str | Path, places: Sequence[int], size: tuple[int, int] | None = None, damaged: Collection[int] = ()
) -> Iterator[Frame]:
    """Yields some frames of a video in one reading of it: of each stretch, none is decoded twice.

    Interlaced frames are made whole with the frames beside them, wherever the reading begins.

    Args:
        path: the video file.
        places: of the frames, rising; one that stands twice is yielded twice.
        size: as for `read_clip`.
        damaged: places of frames that cannot be decoded, as `examine` gives them; they are leapt over.

    Yields:
        uint8 (height, width, 3), a frame a place.

    Raises:
        VideoError: as `read_clip`, before the first frame that cannot be read.
    """
    if not places:
        return
    gaps = places[0] > 0 or places[-1] - places[0] >= len(places)
    index = _index_of(path) if gaps else None
    with open_video(path) as (container, stream):
        screen = Screen(path, stream.sample_aspect_ratio, size)
        for stretch in _stretches(places, damaged, index):
            wanted = iter(stretch)
            place: int | None = next(wanted)
            for number, frame in enumerate(_shown_from(container, stream, stretch[0], index, damaged), stretch[0]):
                if number != place:
                    continue
                if frame.is_corrupt:
                    raise VideoError(f"{path} is damaged at frame {place}: leave it out or encode it again.")
                picture = screen.show(frame)
                while place == number:
                    yield picture
                    place = next(wanted, None)
                if place is None:
                    break
            if place is not None:
                raise VideoError(f"{path} has too few frames: frame {place} was asked for, and cannot be read.")


@dataclass(frozen=True)
class _Index:
    """The frames of a stream in the order in which they are shown.

    Args:
        times: of all frames, rising.
        keys: of key frames, (time, time of decoding), in the order in which they are stored.
    """

    times: list[int]
    keys: list[tuple[int, int | None]]

    def key_within(self, after: int, to: int) -> bool:
        """True if one of the frames after `after`, up to `to`, is a key frame."""
        return any(self.times[after] < pts <= self.times[to] for pts, _ in self.keys)


def _index_of(path: str | Path) -> _Index:
    """Reads the packets of a file and decodes none."""
    with open_video(path) as (container, stream):
        packets = [
            (packet.pts, packet.dts, packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size and not packet.is_discard
        ]
    return _Index(sorted(pts for pts, _, _ in packets), [(pts, dts) for pts, dts, is_key in packets if is_key])


def _stretches(places: Sequence[int], damaged: Collection[int], index: _Index | None) -> Iterator[Sequence[int]]:
    """Places that are decoded in one go. Over damaged frames, and over gaps that it pays to, the reader leaps."""
    start = 0
    for number, (place, following) in enumerate(pairwise(places), start=1):
        if index is None or following == place + 1:
            continue
        far = place + _WORTH_A_LEAP < following < len(index.times) and index.key_within(
            place + _WORTH_A_LEAP, following
        )
        if far or any(place < bad < following for bad in damaged):
            yield places[start:number]
            start = number
    yield places[start:]


def _shown_from(
    container: "InputContainer",
    stream: av.VideoStream,
    start: int,
    index: _Index | None,
    damaged: Collection[int],
) -> Iterator[av.VideoFrame]:
    """Whole frames from `start` on. One that is interlaced is made whole with the frame before it, if that is sound."""
    frames = _decode_from(container, stream, start, index)
    first = next(frames, None)
    if first is None:
        return
    if first.interlaced_frame and start > 0 and start - 1 not in damaged:
        yield from islice(_whole_frames(_decode_from(container, stream, start - 1, index), stream), 1, None)
    else:
        yield from _whole_frames(chain([first], frames), stream)


def _decode_from(
    container: "InputContainer", stream: av.VideoStream, start: int, index: _Index | None
) -> Iterator[av.VideoFrame]:
    """Decodes from frame `start` on, beginning at the key frame before it; exact at a constant rate or not.

    Args:
        index: None for a container that is at its beginning, and a start of 0.
    """
    if index is None:
        yield from _decode(container, stream)
        return
    if start >= len(index.times):
        return
    # Containers seek by decoding time, and frames shown before a key frame may be stored after it.
    keys = [dts for pts, dts in index.keys if pts <= index.times[start]]
    container.seek(keys[-1] if keys and keys[-1] is not None else index.times[0], stream=stream)
    for frame in _decode(container, stream):
        if frame.pts is not None and frame.pts >= index.times[start]:
            yield frame


def _decode(container: "InputContainer", stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """All frames; where one cannot be decoded, first those before it that are still in the decoder's threads."""
    for _, frames in decoded_packets(container, stream):
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
