"""From a folder of videos to clips and a small base trained on them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from exvideo_infer.video_file import probe, read_clip
from exvideo_train.data.motion import motion_bucket, motion_score

from demo.job import FRAME_SIZE, NUM_FRAMES, Job
from demo.own_footage import base
from demo.own_footage.footage import Footage, cut_footage
from demo.stages import Stages
from tiny_world.small_base import build_components, save

NUM_INFERENCE_STEPS = 12


def prepare(stages: Stages, videos: Sequence[Path], output: Path) -> Job:
    """Cuts the footage and trains a base on it, in three stages.

    Raises:
        FootageError: if nothing is left to train on or nothing to hold out.
    """
    with stages.stage("Footage: real videos cut into 64x64 clips", 5):
        footage = cut_footage(videos, output / "footage")
        report_footage(footage)
    train_the_base(stages, footage, output)
    return job_of(footage, output, Path(__file__).with_name("post_tune.yaml"))


def job_of(footage: Footage, output: Path, recipe: Path) -> Job:
    """The job of extending `output/base` on clips in `output/footage`, by a recipe."""
    motion = usual_motion(footage.train)

    def arguments_of(clip: Path) -> dict[str, Any]:
        return {
            "height": FRAME_SIZE,
            "width": FRAME_SIZE,
            "num_inference_steps": NUM_INFERENCE_STEPS,
            # Neither the base nor the extension was trained without its condition, which guidance would need.
            "min_guidance_scale": 1.0,
            "max_guidance_scale": 1.0,
            "fps": probe(clip).fps,
            "motion_bucket_id": motion,
            "noise_aug_strength": 0.0,  # as in training
        }

    return Job(
        base=str(output / "base"),
        recipe=recipe,
        train=output / "footage" / "train",
        held_out=output / "footage" / "held_out",
        arguments_of=arguments_of,
    )


def report_footage(footage: Footage) -> None:
    """Prints how much there is, and what was left out."""
    for note in footage.notes:
        print(f"  {note}")
    print(f"  {len(footage.train)} clips to train on, {len(footage.held_out)} held out, at {footage.fps:g} fps")


def train_the_base(stages: Stages, footage: Footage, output: Path) -> None:
    """Trains VAE and UNet of a small base and saves it as `output/base`."""
    components, runs = build_components(base.SEED, **base.ARCHITECTURE), output / "base_runs"
    with stages.stage("Base, image part: a small VAE from random weights", 70):
        base.train_vae(components["vae"], footage.train, runs / "vae", base.VAE)
    with stages.stage("Base, video part: a small UNet at 8 frames from random weights", 140):
        base.train_unet(components, footage.train, runs / "unet", base.UNET)
        save(components, output / "base")


def usual_motion(clips: Sequence[Path]) -> int:
    """The median motion bucket of the training clips: what is asked for, so that no held-out clip's own is told."""
    scores = [motion_score(read_clip(clip, num_frames=NUM_FRAMES).float() / 127.5 - 1) for clip in clips]
    return int(median(motion_bucket(score) for score in scores))
