"""One pass over a video file: its frames one by one, and, at the end, all that is to be known of it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from exvideo_eval.video_reader.kinds import Frame, VideoInfo, VideoReadError
from exvideo_eval.video_reader.screen import Screen, notes_of
from exvideo_eval.video_reader.stream import made_whole, opened, promised_frames

# Of the longest wait between two frames over the median one: more is no jitter of whole milliseconds.
_STEADY = 1.25


class Decoding:
    """A video file that is decoded once, one frame in memory at a time.

    Args:
        path: of the file.
        size: (height, width) to bring every frame to: resized to cover it, then cut at the centre; its own if None.
    """

    def __init__(self, path: Path, size: tuple[int, int] | None = None) -> None:
        self.path = path
        self._size = size
        self._info: VideoInfo | None = None

    @property
    def info(self) -> VideoInfo:
        """All that is to be known of the file, once its last frame has been taken."""
        if self._info is None:
            raise RuntimeError(f"{self.path} has not been decoded to its end: take all of its frames first.")
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Every frame as a player shows it, uint8 (height, width, 3), RGB.

        Raises:
            VideoReadError: not a video, truncated, corrupt, of changing size, or to be shown at an angle that is not
                right; possibly only after some frames.
        """
        with opened(self.path) as (container, stream):
            screen = Screen(self.path.name, stream.sample_aspect_ratio, self._size)
            for frame in made_whole(self._watched(container, stream), stream):
                yield screen.show(frame)

    def run(self) -> VideoInfo:
        """Decode to the end, for the sake of `info` alone; raises as `frames`."""
        with opened(self.path) as (container, stream):
            for _ in self._watched(container, stream):
                pass
        return self.info

    def _watched(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames as they are decoded; `info` after the last one."""
        file, aspect = self.path.name, stream.sample_aspect_ratio
        notes, shape, times, interlaced = [], (0, 0, 0, 0), list[float](), False
        for frame in (frame for packet in container.demux(stream) for frame in packet.decode()):
            if not times:
                notes = notes_of(frame, aspect, file)
                shape = (frame.width, frame.height, *Screen(file, aspect, None).shape(frame))
            if frame.is_corrupt:
                raise VideoReadError(file, f"is corrupt at frame {len(times)}")
            if (frame.width, frame.height) != shape[:2]:
                raise VideoReadError(file, f"changes its frame size at frame {len(times)}")
            if frame.interlaced_frame and not (interlaced or not times):
                notes.append("interlaced in parts, made whole frames")
            interlaced = interlaced or frame.interlaced_frame
            times.append(len(times) if frame.pts is None else float(frame.pts * (frame.time_base or 1)))
            yield frame
        promised, rate = promised_frames(stream), stream.average_rate or stream.guessed_rate
        if not times or len(times) < promised:
            raise VideoReadError(file, f"is cut short: {len(times)} of its {promised} frames can be read")
        codec, pixel_format = stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt or ""
        notes += _notes_of_times(times)
        self._info = VideoInfo(len(times), float(rate or 0), *shape[2:], codec, pixel_format, tuple(notes))


def probe(path: Path) -> VideoInfo:
    """Decode a file whole, to count its frames and to know what is unusual about it; raises as `Decoding.frames`."""
    return Decoding(path).run()


def frame_rate(path: Path) -> float:
    """Frames a second as the file tells it, 0 if it does not; raises VideoReadError if it cannot be opened."""
    with opened(path) as (_, stream):
        return float(stream.average_rate or stream.guessed_rate or 0)


def _notes_of_times(times: list[float]) -> list[str]:
    waits = np.array([later - earlier for earlier, later in pairwise(times)])
    if not len(waits) or waits.min() <= 0 or waits.max() <= _STEADY * float(np.median(waits)):
        return []
    return [f"a variable rate, {1 / waits.max():.3g} to {1 / waits.min():.3g} frames a second, taken one by one"]
