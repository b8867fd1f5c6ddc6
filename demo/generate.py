"""Generates every held-out clip from its first frame twice: by the base run directly at 40 frames, and extended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from exvideo_infer.pipeline import ExVideoPipeline
from exvideo_infer.video_file import iter_frames, probe, read_clip, write_video
from exvideo_train.motion import motion_bucket, motion_score
from PIL import Image

NUM_INFERENCE_STEPS = 12


def generate(pipeline: ExVideoPipeline, clips: Sequence[Path], num_frames: int, output: Path, motion: int) -> None:
    """Writes, for each held-out clip, one of the same name that is generated from its first frame.

    Clip number i is generated with seed i, so that two calls start from the same noise.
    """
    output.mkdir(parents=True, exist_ok=True)
    # disable=None: no bar where there is no terminal.
    pipeline.set_progress_bar_config(desc=f"  {output.name}", leave=False, disable=None)
    for seed, clip in enumerate(clips):
        first_frame = Image.fromarray(next(iter_frames(clip)))
        info = probe(clip)
        frames: Any = pipeline(
            first_frame,
            num_frames=num_frames,
            height=info.height,
            width=info.width,
            num_inference_steps=NUM_INFERENCE_STEPS,
            # Neither the base nor the extension was trained without its condition, which guidance would need.
            min_guidance_scale=1.0,
            max_guidance_scale=1.0,
            fps=info.fps,
            motion_bucket_id=motion,
            noise_aug_strength=0.0,  # as in training
            generator=torch.Generator().manual_seed(seed),
        ).frames[0]
        write_video(output / clip.name, frames, info.fps)


def usual_motion(clips: Sequence[Path], num_frames: int) -> int:
    """The median motion bucket of the training clips: what is asked for, so that no held-out clip's own is told."""
    scores = [motion_score(read_clip(clip, num_frames=num_frames).float() / 127.5 - 1) for clip in clips]
    return int(median(motion_bucket(score) for score in scores))
