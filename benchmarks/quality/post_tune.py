"""exvideo-train with the levels of `parts`, as a person runs it: python -m benchmarks.quality.post_tune --config x.yaml

All that is other than `exvideo-train --config x.yaml` is that these levels are made known before.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from exvideo_train.cli import main as exvideo_train

from benchmarks.quality.parts import register
from benchmarks.quality.protocol import SPLITS
from benchmarks.quality.recipes import CLIPS, Recipe
from tiny_world.programs import CORES, run_program
from tiny_world.world.clip_files import write_clips


def post_tune(name: str, recipe: Recipe, folder: Path, base: str, seed: int) -> Path:
    """Trains in processes of their own, from where the run ends; the extension's file.

    Args:
        name: of the row.
        recipe: of it.
        folder: of all runs; they share their clips and latents.
        base: what is post-tuned.
        seed: of the run.
    """
    clips = folder / f"clips_{recipe.frames}"
    extension = recipe.file(folder, name, seed)
    run = extension.parent
    if not extension.exists():
        write_training_clips(clips, recipe.frames)
        filled = recipe.filled(run, clips, base, seed)
        run.mkdir(parents=True, exist_ok=True)
        path = run / "recipe.yaml"
        path.write_text(yaml.safe_dump(filled, sort_keys=False), encoding="utf-8")
        processes = 1 if torch.cuda.is_available() else min(CORES, filled["optimizer"]["batch_size"])
        run_program("benchmarks.quality.post_tune", "--config", path, processes=processes)
    return extension


def write_training_clips(folder: Path, num_frames: int) -> None:
    """The clips that runs train on, and those that their loss is told of: of the combinations of training alone."""
    for offset, (name, number) in enumerate(CLIPS.items()):
        seed = SPLITS["tune"].world_seed
        # "seen" has other clips of the same seed, so that no clip is in both.
        for _ in write_clips(folder / name, number, num_frames, seed, ("train", "seen")[offset]):
            pass


def main(arguments: Sequence[str] | None = None) -> int:
    """exvideo-train's own command line, and its exit status."""
    register()
    return exvideo_train(arguments)


if __name__ == "__main__":
    sys.exit(main())
