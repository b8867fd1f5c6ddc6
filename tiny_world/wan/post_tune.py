"""exvideo-train on the small Wan, as a person runs it: python -m tiny_world.wan.post_tune --config x.yaml

All that is other than `exvideo-train --config x.yaml` is that the family and its base are made known before.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from exvideo_train.cli import main as exvideo_train

import tiny_world.wan.base  # noqa: F401 registers the base and, with it, the family
from tiny_world.programs import run_program

RECIPE = Path(__file__).with_suffix(".yaml")
EXTENSION = "extension.safetensors"
LEARNING_RATES = {"position": 1e-2, "lora": 2e-3, "full": 1e-3}  # a table and low-rank updates take larger steps
LONGER, BEGINS_AT = "lora-longer", "lora"  # a second run, that begins at the first one's extension
TIMES = 4  # as many steps as the first


def post_tune(folder: Path, base: Path, clips: Path, level: str, seed: int) -> Path:
    """Trains in a process of its own, from where the run ends; the extension's file.

    Args:
        folder: of all runs; each is in a folder of its own, and they share their latents.
        base: the folder of the small Wan.
        clips: a folder with `train` and `validation`, as `tiny_world.world` writes them.
        level: one of `LEARNING_RATES`, or LONGER, for which the run that it begins at has to be done.
        seed: of the run.
    """
    run = folder / f"{level}_{seed}"
    extension = run / EXTENSION
    if not extension.exists():
        run.mkdir(parents=True, exist_ok=True)
        path = run / "recipe.yaml"
        filled = recipe(folder, base, clips, level, seed)
        path.write_text(yaml.safe_dump(filled, sort_keys=False), encoding="utf-8")
        run_program("tiny_world.wan.post_tune", "--config", path)
    return extension


def recipe(folder: Path, base: Path, clips: Path, level: str, seed: int) -> dict[str, Any]:
    """The recipe of a run, as exvideo-train reads it; arguments as `post_tune`."""
    filled: dict[str, Any] = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    filled |= {"base": str(base), "output": str(folder / f"{level}_{seed}"), "seed": seed}
    if level == LONGER:
        filled["init_from"] = str(folder / f"{BEGINS_AT}_{seed}" / EXTENSION)
        filled["seed"] += 1000  # or it would draw what the first has drawn
        filled["optimizer"]["steps"] *= TIMES
        level = BEGINS_AT
    filled["extension"]["level"] = level
    filled["optimizer"]["learning_rate"] = LEARNING_RATES[level]
    filled["data"] |= {"videos": str(clips / "train"), "cache": str(folder / "latents")}
    filled["validation"]["videos"] = str(clips / "validation")
    return filled


def main(arguments: Sequence[str] | None = None) -> int:
    """exvideo-train's own command line, and its exit status."""
    return exvideo_train(arguments)


if __name__ == "__main__":
    sys.exit(main())
