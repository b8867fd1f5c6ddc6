"""Forty frames of the small Wan of eight, by every way, against the truth of the tiny world.

    python -m tiny_world.wan.compare --output out/tiny_wan

    clips/                  the held-out clips that all are made from, and those that are post-tuned and validated on
    post_tune/LEVEL_SEED/   of exvideo-train: extension.safetensors, metrics.jsonl
    made/WAY_SEED/          clips of the names of the held-out ones
    figures.json            means over clips and seeds, and ratios, with intervals in which both are random
    sheet.png               a clip of each kind of motion
    curves.png              measures by frame index, of the first seed

Each part goes on from where it was stopped. A seed is that of the noise, and of a post-tuning's whole run.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_eval import Metric
from exvideo_infer.video_file import read_clip
from numpy.typing import NDArray

from tiny_world.truth import picture
from tiny_world.truth.measured_set import MeasuredSet, read_truth
from tiny_world.truth.over_seeds import measured
from tiny_world.wan.base import SHIPPED, STEPS
from tiny_world.wan.clips import make, seconds_a_clip
from tiny_world.wan.figures import ERROR, by_name, error_ratio, errors_by_kind, errors_by_seed, metrics_of
from tiny_world.wan.post_tune import BEGINS_AT, LEARNING_RATES, LONGER, RECIPE, post_tune
from tiny_world.wan.ways import LONG, OWN, TRAINING_FREE, WAYS
from tiny_world.world.clip_files import read_clip_file, write_clips
from tiny_world.world.contact_sheet import contact_sheet
from tiny_world.world.sampler import SPLITS

SEEDS = (0, 1, 2)
KINDS = 7  # of motion: as many clips in a row have one each
# Clips, seed of the world and split: those that are judged are of combinations that nothing was trained on; those that
# a run is validated on are not among them.
CLIPS = {"test": (49, 1, SPLITS[2]), "train": (1200, 0, SPLITS[0]), "validation": (7, 2, SPLITS[1])}
SHEET = ("direct", "chained", "lora", LONGER)
CURVES = ("direct", "riflex", "decayed", "chained", "lora", LONGER)
COLUMNS = (*range(0, LONG, 4), LONG - 1)


def make_all(output: Path, ways: Sequence[str], seeds: Sequence[int]) -> None:
    """Post-tunes what has to be, and makes every clip that is not there yet."""
    for name, (number, world_seed, split) in CLIPS.items():
        for _ in write_clips(output / "clips" / name, number, LONG, world_seed, split):
            pass
    test = _test_clips(output)
    for way in ways:
        for seed in seeds:
            extension = None
            if WAYS[way].is_trained:
                extension = post_tune(output / "post_tune", SHIPPED, output / "clips", way, seed)
            print(f"{way}, seed {seed}", flush=True)
            make(way, test, _folder(output, way, seed), seed, extension)


def figures(output: Path) -> dict[str, Any]:
    """All that is found, as plain values."""
    real = read_truth(output / "clips" / "test")
    floor = measured(output / "clips" / "test", real)
    sets = {way: [measured(_folder(output, way, seed), real) for seed in SEEDS] for way in WAYS}
    metrics = [metric for way, found in sets.items() for metric in metrics_of(way, found)]
    return {
        "format": "exvideo.tiny_wan/1",
        "protocol": _protocol(),
        "figures": dict(by_name([*metrics, *metrics_of("real", [floor]), *ratios(sets)])),
        "error_by_kind": {way: errors_by_kind(found, real) for way, found in sets.items()},
        "error_by_seed": {way: errors_by_seed(found) for way, found in sets.items()},
        "seconds_a_clip": {way: _seconds(output, way) for way in WAYS},
        "training": {way: _training(output, way) for way in WAYS if WAYS[way].is_trained},
    }


def ratios(sets: Mapping[str, Sequence[MeasuredSet]]) -> list[Metric]:
    """Displacement errors: of every way over running directly, and of every level over what needs no training."""
    others = [way for way in sets if way not in (OWN, "direct")]
    pairs = [(way, "direct") for way in others]
    levels = (*LEARNING_RATES, LONGER)
    pairs += [(way, other) for way in levels for other in TRAINING_FREE if other != "direct"]
    pairs.append((LONGER, BEGINS_AT))
    return [error_ratio(f"{ERROR}: {way} over {other}", sets[way], sets[other]) for way, other in pairs]


def draw(output: Path) -> None:
    """`sheet.png`: of a clip of each kind, the real one and those of `SHEET`, of the first seed."""
    rows: list[NDArray[np.uint8]] = []
    titles: list[str] = []
    for path in _test_clips(output)[:KINDS]:
        folders = {read_clip_file(path).caption: path.parent}
        folders |= {f"    {WAYS[way].title}": _folder(output, way, SEEDS[0]) for way in SHEET}
        rows += [read_clip(folder / path.name).permute(0, 2, 3, 1).numpy() for folder in folders.values()]
        titles += folders
    contact_sheet(rows, titles, COLUMNS).quantize(256).save(output / "sheet.png", optimize=True)


def draw_curves(output: Path) -> None:
    """`curves.png`: the first seed of `CURVES`."""
    real = read_truth(output / "clips" / "test")
    sets = [measured(_folder(output, way, SEEDS[0]), real) for way in CURVES]
    picture.draw(output / "curves.png", measured(output / "clips" / "test", real), sets)


def _test_clips(output: Path) -> list[Path]:
    return sorted((output / "clips" / "test").glob("*.mp4"))


def _folder(output: Path, way: str, seed: int) -> Path:
    return output / "made" / f"{way}_{seed}"


def _protocol() -> dict[str, Any]:
    return {
        "num_frames": LONG,
        "num_inference_steps": STEPS,
        "guidance_scale": 1.0,
        "seeds": list(SEEDS),
        "clips": {name: dict(zip(("number", "world_seed", "split"), of, strict=True)) for name, of in CLIPS.items()},
        "recipe": RECIPE.read_text(encoding="utf-8").splitlines(),
        "learning_rates": LEARNING_RATES,
    }


def _seconds(output: Path, way: str) -> float:
    """The processor's seconds that a clip's sampling took."""
    found = [seconds_a_clip(_folder(output, way, seed)) for seed in SEEDS]
    return round(sum(found) / len(found), 3)


def _training(output: Path, level: str) -> dict[str, Any]:
    """Of clips that are held out of a level's runs, before and after, means over seeds.

    Their loss, and the squared error of the clean latents by noise level (its deviation where that of a clip is 1).
    """
    runs = []
    for seed in SEEDS:
        lines = (output / "post_tune" / f"{level}_{seed}" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        runs.append([found for found in map(json.loads, lines) if "validation/loss" in found][-1])
    sides = {"base": "validation_base/", "extended": "validation/"}
    names = {"loss": "loss"} | {
        name.removeprefix("validation/mse_sigma_"): name.removeprefix("validation/")
        for name in runs[0]
        if name.startswith("validation/mse_sigma_")
    }
    return {
        title: {side: round(sum(run[at + name] for run in runs) / len(runs), 4) for side, at in sides.items()}
        for title, name in names.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes what is missing, and with all ways the figures and the sheet; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.wan.compare", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/tiny_wan"), metavar="DIR")
    parser.add_argument("--ways", nargs="+", choices=WAYS, metavar="WAY", help="make the clips of these alone")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, metavar="SEED")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # as networks this small gain little from more
    make_all(options.output, options.ways or tuple(WAYS), options.seeds)
    if options.ways is None and tuple(options.seeds) == SEEDS:
        found = json.dumps(figures(options.output), indent=1)
        (options.output / "figures.json").write_text(found + "\n", encoding="utf-8")
        draw(options.output)
        draw_curves(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
