"""Frames of a video as they are taken: one by one, or at another rate, each chosen by the time that it is shown at."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from exvideo_train.data.scan import VideoFile

# Rates so near each other are one, 29.97 and 30: a frame in a thousand would be dropped or shown twice.
_SAME = 0.005
_ROUNDING = 1e-6  # of a frame


@dataclass(frozen=True)
class Timeline:
    """The frames of a video that clips are cut from.

    Args:
        places: of the frames in the file, rising; where the rate is raised, some stand more than once.
        fps: frames a second that these are.
        converted: True if they are not simply all frames.
    """

    places: Sequence[int]
    fps: float
    converted: bool = False


def timeline_of(file: VideoFile, rate: float, fps: float | None) -> Timeline:
    """The frames at a rate: at each moment the one that a player shows then.

    Args:
        file: with the times of its frames, where its rate is not steady.
        rate: frames a second of the file.
        fps: those that are wanted; None for all frames as they come.
    """
    steady = not file.times
    if fps is None or (steady and abs(fps / rate - 1) < _SAME):
        return Timeline(range(file.num_frames), rate)
    times = [number / rate for number in range(file.num_frames)] if steady else [*file.times]
    slack = _ROUNDING / rate
    length = int((times[-1] - times[0] + 1 / rate + slack) * fps)
    places = [bisect_right(times, times[0] + number / fps + slack) - 1 for number in range(length)]
    return Timeline(tuple(places), fps, converted=True)
