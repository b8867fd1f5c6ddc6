"""Ways that a clip is made: at once, by windows, as a chain, between keyframes; and the calls that each takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exvideo_infer.beyond.chaining import clips_of_chain
from exvideo_infer.beyond.interpolation import resolve_interpolator
from exvideo_infer.beyond.keyframes import keyframe_rate, keyframes_of
from exvideo_infer.beyond.windows import Windows
from exvideo_infer.jobs.job import Job

EVERY = 2  # frames from one keyframe to the next


@dataclass(frozen=True)
class Way:
    """A clip's way, complete.

    Args:
        longest: frames of the longest piece that the network sees.
        piece: its name among the settings.
        settings: that decide the clip, besides those that all clips have.
        windows: over each call's frames.
        length: frames of each clip of a chain; None where it is none.
        every: frames from one keyframe to the next; None where there are none.
        calls: of the pipeline.
        pieces: that the network is asked for at each step.
    """

    longest: int
    piece: str = "num_frames"
    settings: Mapping[str, Any] = field(default_factory=dict)
    windows: Windows | None = None
    length: int | None = None
    every: int | None = None
    calls: int = 1
    pieces: int = 1


def way_of(job: Job, num_frames: int, fps: float, own: int) -> Way:
    """The way of a job.

    Args:
        num_frames, fps: of the clip.
        own: frames that the network knows.

    Raises:
        ValueError: a setting does not fit the clip or the network, or the interpolator cannot be had.
    """
    if job.beyond in ("windows", "free-noise"):
        return _by_windows(job, num_frames, own)
    if job.beyond == "chain" or job.continues is not None:
        return _by_chain(job, num_frames, own)
    if job.beyond == "keyframes":
        return _by_keyframes(job, num_frames, fps)
    return Way(num_frames)


def _by_windows(job: Job, num_frames: int, own: int) -> Way:
    noise = "repeated" if job.beyond == "free-noise" else "own"
    windows = Windows(job.window_length, job.window_overlap, noise=noise)
    complete = windows.of_length(own)
    pieces = complete.evaluations(num_frames)
    settings = {"beyond": job.beyond, **_given(job, "window_length", "window_overlap"), "evaluations_a_step": pieces}
    longest = min(num_frames, complete.length or num_frames)
    return Way(longest, "window_length", settings, windows, pieces=pieces)


def _by_chain(job: Job, num_frames: int, own: int) -> Way:
    length, goes_on = job.window_length or own, job.continues is not None
    if length < 2:
        raise ValueError(f"A chain of clips of {length} frames would go nowhere: give window_length, at least 2.")
    calls = max(1, clips_of_chain(num_frames, length, goes_on))
    settings = {"beyond": "chain", **_given(job, "window_length"), "clips": calls}
    return Way(min(length, num_frames + goes_on), "window_length", settings, length=length, calls=calls)


def _by_keyframes(job: Job, num_frames: int, fps: float) -> Way:
    every = job.keyframe_every or EVERY
    keyframe_rate(fps, num_frames, every)
    interpolator = resolve_interpolator(job.interpolator or "auto")
    keys = keyframes_of(num_frames, every)
    settings = {"keyframe_every": every, "interpolator": interpolator, "keyframes": keys}
    return Way(keys, "keyframes", {"beyond": "keyframes", **settings}, every=every)


def _given(job: Job, *names: str) -> dict[str, Any]:
    return {name: getattr(job, name) for name in names if getattr(job, name) is not None}
