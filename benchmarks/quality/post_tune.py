"""exvideo-train with the levels of `parts`, as a person runs it: python -m benchmarks.quality.post_tune --config x.yaml

All that is other than `exvideo-train --config x.yaml` is that these levels are made known before.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from exvideo_train.cli import main as exvideo_train

from benchmarks.quality.parts import register
from benchmarks.quality.protocol import SPLITS
from benchmarks.quality.recipes import CLIPS, Recipe
from tiny_world.programs import CORES, run_program
from tiny_world.world.clip_files import write_clips, write_event_clips
from tiny_world.world.spec import EVENTS, LONGEST

FOLDERS = ("output", "videos", "cache")  # keys of a recipe that tell where, and not what
LONGEST_EVENT = max(frames for of_speed in LONGEST.values() for frames in of_speed.values())


def post_tune(name: str, recipe: Recipe, folder: Path, base: str, seed: int) -> Path:
    """Trains in processes of their own, from where the run ends; the extension's file.

    Args:
        name: of the row.
        recipe: of it.
        folder: of all runs; they share their clips and latents.
        base: what is post-tuned.
        seed: of the noise, by which the run goes.

    Raises:
        ValueError: the run was begun with another recipe.
    """
    more = "" if recipe.clips is None else f"_{recipe.clips}"
    clips = folder / f"{'events' if recipe.with_events else 'clips'}_{recipe.frames}{more}"
    extension = recipe.file(folder, name, seed)
    run = extension.parent
    path, filled = run / "recipe.yaml", recipe.filled(run, clips, base, recipe.seed_of_run(seed))
    _check_recipe(path, filled)
    if not extension.exists():
        write_training_clips(clips, recipe.frames, recipe.with_events, recipe.clips)
        run.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(filled, sort_keys=False), encoding="utf-8")
        processes = 1 if torch.cuda.is_available() else min(CORES, filled["optimizer"]["batch_size"])
        run_program("benchmarks.quality.post_tune", "--config", path, processes=processes)
    return extension


def _check_recipe(path: Path, filled: Mapping[str, Any]) -> None:
    """Checks that a run that was begun has this recipe, wherever its folders are now."""
    if not path.exists():
        return
    begun = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section in dict.fromkeys((*begun, *filled)):
        was, now = (_without_folders(recipe.get(section)) for recipe in (begun, filled))
        if section not in FOLDERS and was != now:
            raise ValueError(
                f"The run in {path.parent} was begun with {section} {was}, and {section} is {now} now: remove that "
                "folder, or give --output another one."
            )


def _without_folders(value: Any) -> Any:
    return {key: one for key, one in value.items() if key not in FOLDERS} if isinstance(value, dict) else value


def write_training_clips(folder: Path, num_frames: int, with_events: bool = False, clips: int | None = None) -> None:
    """The clips that runs train on, and those that their loss is told of: of the combinations of training alone.

    Args:
        folder: of both.
        num_frames: of each clip.
        with_events: of each kind of event and each duration as many, in place of the clips of the split.
        clips: that runs train on; None for as many as `CLIPS` has.
    """
    numbers = CLIPS if clips is None else {**CLIPS, "tune": clips}
    for (name, number), split in zip(numbers.items(), ("train", "seen"), strict=True):
        # "seen" has other clips of the same seed, so that no clip is in both.
        asked = num_frames, SPLITS["tune"].world_seed, split
        if with_events:
            durations = range(1, LONGEST_EVENT + 1)
            write_events(folder / name, max(1, number // (len(EVENTS) * len(durations))), durations, *asked)
        else:
            deque(write_clips(folder / name, number, *asked), maxlen=0)


def write_events(
    folder: Path, each: int, durations: Sequence[int], num_frames: int, world_seed: int, split: str
) -> None:
    """Writes so many clips of each kind of event and each duration."""
    for kind in EVENTS:
        for duration in durations:
            deque(write_event_clips(folder, each, num_frames, world_seed, split, kind, duration), maxlen=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """exvideo-train's own command line, and its exit status."""
    register()
    return exvideo_train(arguments)


if __name__ == "__main__":
    sys.exit(main())
