"""Clips of the world as files: an MP4, and beside it a JSON file with caption, spec and the state of every frame."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from exvideo_infer.video_file import write_video

from tiny_world.world.captions import brief_caption, caption
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.motion import State, state_of
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import FPS, ClipSpec

FORMAT = "exvideo.tiny_world/1"


class ClipFileError(ValueError):
    """A file that is not a clip's, or another clip's; the message names it."""


@dataclass(frozen=True)
class ClipFile:
    """One clip on disk: the video's path, its captions, what it shows and the truth of its frames."""

    path: Path
    caption: str
    brief_caption: str
    spec: ClipSpec
    state: State

    @property
    def num_frames(self) -> int:
        return len(self.state.centre)


def write_clips(folder: Path, num_clips: int, num_frames: int, seed: int, split: str) -> Iterator[tuple[Path, bool]]:
    """Writes clips 0 to num_clips - 1 of a split, each file whole or not at all; those that are there are kept.

    Yields:
        each video's path, and whether it was written now.

    Raises:
        ClipFileError: a file of that name is another clip's, such as one of another length.
        VideoError: a file cannot be written, or the footage for the backgrounds is not installed.
        ValueError: there are no such clips.
    """
    name = f"{split}-{seed}"
    yield from _write(folder, name, lambda index: sample_spec(seed, index, split), num_clips, num_frames)


def write_event_clips(
    folder: Path, num_clips: int, num_frames: int, seed: int, split: str, event: str, duration: int
) -> Iterator[tuple[Path, bool]]:
    """Writes clips with events of so many frames, as `write_clips` does; one folder can hold several durations."""
    name = f"{event}-{duration:02d}-{split}-{seed}"
    sample = partial(sample_event, event=event, duration=duration, split=split)
    yield from _write(folder, name, lambda index: sample(seed, index), num_clips, num_frames)


def _write(
    folder: Path, name: str, sample: Callable[[int], ClipSpec], num_clips: int, num_frames: int
) -> Iterator[tuple[Path, bool]]:
    if num_clips < 1 or num_frames < 1:
        raise ValueError(f"{num_clips} clips of {num_frames} frames were asked for: give at least 1 of each.")
    sample(num_clips - 1)  # says what is wrong with them before a folder is made
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(num_clips):
        path, spec = folder / f"{name}-{index:06d}.mp4", sample(index)
        sidecar = _sidecar(spec, num_frames)
        if path.exists() and _state_path(path).exists():
            _check_same(path, sidecar)
            yield path, False
            continue
        write_video(path, render(spec, num_frames), FPS)
        _write_json(_state_path(path), sidecar)  # last: where it is, the video is whole
        yield path, True


def read_clip_file(path: Path) -> ClipFile:
    """Reads the file beside a video of `write_clips`.

    Raises:
        ClipFileError: its JSON file is missing or not one of ours.
    """
    data = _read_json(_state_path(path))
    try:
        spec, state = ClipSpec.from_dict(data["spec"]), State.from_dict(data["state"])
        return ClipFile(path, data["caption"], data["brief_caption"], spec, state)
    except (KeyError, TypeError, ValueError) as error:
        raise ClipFileError(f"{_state_path(path)} does not describe a clip ({error}): write it again.") from error


def _sidecar(spec: ClipSpec, num_frames: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "caption": caption(spec),
        "brief_caption": brief_caption(spec),
        "fps": FPS,
        "num_frames": num_frames,
        "spec": spec.to_dict(),
        "state": state_of(spec, num_frames).to_dict(),
    }


def _state_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _check_same(path: Path, sidecar: dict[str, Any]) -> None:
    found = _read_json(_state_path(path))
    # Through text, as what was read went: tuples become lists.
    if found != json.loads(json.dumps(sidecar)):
        raise ClipFileError(
            f"{path} is another clip ({found.get('num_frames')} frames) than the one asked for "
            f"({sidecar['num_frames']} frames), or of another version of the world: give another folder."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ClipFileError(f"{path} cannot be read as JSON ({error}): remove it and write the clip again.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ClipFileError(f"{path} is not of the format {FORMAT}: give a folder of the world's clips.")
    return data


def _write_json(path: Path, data: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(data))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
