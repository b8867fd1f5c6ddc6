"""Held-out clips as the trainer sees them, beside the samples: what they are looked at and scored against."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from exvideo_infer import iter_frames_at, write_video

from exvideo_train.atomic import write_json
from exvideo_train.data import Data
from exvideo_train.data.dataset import Clip


def write_real(folder: Path, clips: Mapping[str, Clip], data: Data, size: tuple[int, int] | None) -> None:
    """Writes clips as NAME.mp4, unless the same are there; the folder holds nothing else.

    Args:
        folder: made if missing; a note of what it holds is beside it.
        clips: by name.
        size: (height, width), in pixels; None for each clip's own.
    """
    note = folder.with_suffix(".json")
    key = {"size": size and list(size), "clips": {name: data.cache.content_of(clip) for name, clip in clips.items()}}
    try:
        kept = json.loads(note.read_text(encoding="utf-8")) == key
    except (OSError, ValueError):
        kept = False
    if kept and all((folder / f"{name}.mp4").is_file() for name in clips):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, clip in clips.items():
        write_video(folder / f"{name}.mp4", iter_frames_at(clip.path, clip.places, size or clip.size), clip.fps)
    write_json(note, key)
