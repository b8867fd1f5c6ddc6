"""A whole video decoded once: how many of its frames there are, and what is unusual about them."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from exvideo_infer.video_file.kinds import VideoError, VideoInfo
from exvideo_infer.video_file.picture import HDR, Screen, notes_of
from exvideo_infer.video_file.stream import count_packets, decoded_packets, frames_in_header, open_video

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
        times: at which its frames are shown, in seconds; none where the rate is steady.
    """

    info: VideoInfo
    damaged: tuple[int, ...]
    as_stored: bool
    notes: tuple[str, ...]
    times: tuple[float, ...] = ()


def probe(path: str | Path) -> VideoInfo:
    """Reads a video's length, rate and size; its frames are counted where the header has no number.

    Raises:
        VideoError: if the file is missing or is not a video.
    """
    with open_video(path) as (container, stream):
        num_frames = frames_in_header(stream)
        frame = next(iter(container.decode(stream)), None)
        num_frames = num_frames or count_packets(path)
        rate = stream.average_rate or stream.guessed_rate
        if not num_frames or not rate or frame is None:
            raise VideoError(f"{path} has {num_frames} frames at a rate of {rate}: a video that can be read has both.")
        height, width = Screen(path, stream.sample_aspect_ratio, None).shape(frame)
        return VideoInfo(num_frames, float(rate), width, height)


def is_hdr(path: str | Path) -> bool:
    """True if the first frame of a video, or the picture of a file, is in HDR. Raises VideoError if there is none."""
    with open_video(path) as (container, stream):
        frame = next(iter(container.decode(stream)), None)
        return frame is not None and frame.color_trc in HDR


def examine(path: str | Path) -> Examination:
    """Decodes a whole video, to know how many of its frames there are, and what is unusual about it.

    Raises:
        VideoError: if the file is missing, is not a video, or has no frame that can be read.
    """
    with open_video(path) as (container, stream):
        stream.thread_type = "SLICE"  # so that a packet that cannot be decoded takes no other's frame with it
        promised, rate = frames_in_header(stream), stream.average_rate or stream.guessed_rate
        order: list[tuple[int, bool]] = []  # time and key frame or not, in the order of decoding
        good: set[int] = set()
        bad: set[int] = set()
        first: av.VideoFrame | None = None
        interlaced = False
        for packet, frames in decoded_packets(container, stream):
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
        if first is not None and not good | bad:
            raise VideoError(
                f"{path} says of no frame when it is shown: put it into a container with times, by "
                "`ffmpeg -i in.h264 -c copy out.mp4`."
            )
        if first is None or not rate or not good:
            raise VideoError(f"{path} is damaged: none of its frames can be read, so leave it out.")
        screen = Screen(path, stream.sample_aspect_ratio, None)
        height, width = screen.shape(first)
        as_stored = screen.shows_as_stored(first) and not interlaced and stream is container.streams.video[0]
        places = {pts: place for place, pts in enumerate(sorted(good | bad))}
        notes = notes_of(first, stream.sample_aspect_ratio, path)
        if interlaced and not first.interlaced_frame:
            notes.append("interlaced in parts, made whole frames")
        unsteady = _notes_of_times([float(pts * (stream.time_base or 1)) for pts in sorted(good)])
        notes += unsteady
        times = tuple(float(pts * (stream.time_base or 1)) for pts in sorted(places)) if unsteady else ()
        damaged = tuple(sorted(places[pts] for pts in bad))
        if damaged:
            notes.append(f"damaged at frame {_spans(damaged)}: clips without it are used")
        if len(places) < promised:
            notes.append(f"{promised} frames promised, {len(places)} there")
        return Examination(VideoInfo(len(places), float(rate), width, height), damaged, as_stored, tuple(notes), times)


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


def _notes_of_times(times: list[float]) -> list[str]:
    waits = np.array([later - earlier for earlier, later in pairwise(times)])
    if not len(waits) or waits.min() <= 0 or waits.max() <= _STEADY * float(np.median(waits)):
        return []
    return [f"a variable rate, {1 / waits.max():.3g} to {1 / waits.min():.3g} frames a second, taken one by one"]
