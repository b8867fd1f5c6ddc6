"""The demo from end to end: clips, post-tuning, generation before and after, evaluation, pictures, closing lines."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from demo import rendered_clips
from demo.closing import closing_lines
from demo.generate import generate_all
from demo.job import NUM_FRAMES, Job
from demo.loss_curve import draw_held_out_loss, read_held_out_loss
from demo.own_footage import prepare as own_footage
from demo.own_footage.footage import videos_in
from demo.sheets import draw_sheets
from demo.speed import fit
from demo.stages import Stages
from tiny_world.programs import post_tune, run_program

MARKER = ".exvideo-demo"  # in a folder that the demo made, and so may empty


def run_demo(videos: Path | None, output: Path, steps: int | None = None) -> str:
    """Runs every stage; returns the closing lines.

    Args:
        videos: a folder of one's own videos, for the base of films; None for the embedded base and clips of its world.
        output: emptied first if an earlier demo made it.
        steps: of the post-tuning, however long they take; None for as many of its recipe's as there is time for.

    Raises:
        ValueError: if the videos are of no use, or `output` holds something that the demo did not make.
        ProgramError: if a program that the demo runs fails.
    """
    stages, job = prepare(videos, output, steps)
    elapsed = sum(timing.wall_seconds for timing in stages.timings)
    fitted = partial(fit, beside=partial(job.beside, elapsed), steps=steps)
    with stages.stage(f"Post-tuning to {NUM_FRAMES} frames: exvideo-train", 460):
        post_tune(write_recipe(job, output, fitted))
    with stages.stage("Generation from held-out first frames: without and with the extension", 80):
        generate_all(job, output)
    with stages.stage("Evaluation: exvideo-eval", 20):
        evaluate(job, output)
    if job.truth_is_known:
        with stages.stage("Truth: place, size, colour and shape in every frame", 15):
            measure_truth(job, output)
    loss = read_held_out_loss(output / "post_tune" / "metrics.jsonl")
    with stages.stage("Pictures: contact sheets and held-out loss", 5):
        draw_held_out_loss(output / "held_out_loss.png", loss, NUM_FRAMES)
        draw_sheets(job, output)
    write_timings(stages, output / "timings.json")
    return closing_lines(job, stages, loss, output)


def prepare(videos: Path | None, output: Path, steps: int | None = None) -> tuple[Stages, Job]:
    """The first stages: clips and a base, in an empty folder; arguments and errors as of `run_demo`."""
    if videos is None:
        empty_output(output)
        stages = Stages(total=7)
        return stages, rendered_clips.prepare(stages, output, steps)
    paths = videos_in(videos)
    empty_output(output)
    stages = Stages(total=5)
    return stages, own_footage.prepare(stages, paths, output)


def empty_output(output: Path) -> None:
    """Makes the folder, or empties it if an earlier demo made it; nothing of an earlier run is used again.

    Raises:
        ValueError: if there is something else there.
    """
    if output.exists():
        if not (output / MARKER).is_file() and (not output.is_dir() or any(output.iterdir())):
            raise ValueError(f"{output} was not made by the demo and is not empty: give --output another folder.")
        shutil.rmtree(output)
    output.mkdir(parents=True)
    (output / MARKER).touch()


def write_recipe(job: Job, output: Path, fitted: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Writes the job's post-tuning recipe, fitted to the machine, with this run's base and folders filled in."""
    recipe = fitted(yaml.safe_load(job.recipe.read_text(encoding="utf-8")) | {"base": job.base})
    recipe["output"] = str(output / "post_tune")
    recipe["data"]["videos"] = str(job.train)
    recipe["validation"]["videos"] = str(job.held_out)
    path = output / "post_tune.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def evaluate(job: Job, output: Path) -> None:
    """Judges both sets of generated clips against the held-out ones."""
    folders = {
        "--real": job.held_out,
        "--generated": output / "extended",
        "--baseline": output / "base_direct",
        "--output": output / "report",
    }
    run_program("exvideo_eval", *(part for option in folders.items() for part in option))


def measure_truth(job: Job, output: Path) -> None:
    """Measures both sets against the truth behind the held-out clips."""
    sets = (f"--set=base={output / 'base_direct'}", f"--set=extended={output / 'extended'}")
    run_program("tiny_world.truth", "--real", job.held_out, *sets, "--output", output / "truth")


def write_timings(stages: Stages, path: Path) -> None:
    """Writes seconds per stage as JSON."""
    path.write_text(json.dumps([vars(timing) for timing in stages.timings], indent=2) + "\n", encoding="utf-8")
