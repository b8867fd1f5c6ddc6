"""Generates every held-out clip from its first frame, and clips from text alone."""

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from exvideo_infer.pipeline import ExVideoPipeline
from exvideo_infer.video_file import iter_frames, probe, write_video
from PIL import Image

from demo.job import NUM_FRAMES, Job
from tiny_world.system.side_by_side import pool_of_cores


def generate_all(job: Job, output: Path) -> None:
    """`base_direct` by the untouched base; then, with the trained extension mounted, `extended` and `from_text`."""
    recipe = yaml.safe_load((output / "post_tune.yaml").read_text(encoding="utf-8"))
    # As in training: on a CPU that multiplies bfloat16 it takes half the time, to the same figures.
    dtype = torch.bfloat16 if recipe["engine"]["precision"] == "bf16" else torch.float32
    base, extended = (ExVideoPipeline.from_pretrained(job.base, torch_dtype=dtype) for _ in range(2))
    extended.load_extension(output / "post_tune" / "extension.safetensors")
    with pool_of_cores() as pool:
        for seed, clip in enumerate(job.held_out_clips):
            both = (base, output / "base_direct"), (extended, output / "extended")
            for made in [pool.submit(generate, pipeline, job, clip, seed, folder) for pipeline, folder in both]:
                made.result()
    if job.prompts:
        generate_from_text(extended, job.prompts, output / "from_text")


def generate(pipeline: ExVideoPipeline, job: Job, clip: Path, seed: int, output: Path) -> None:
    """Writes a clip under the name of a held-out one, from its first frame and what the job says of it.

    What is written beside the held-out clip is copied: it says what the generated one has to show.

    Args:
        seed: of the noise that it starts from.
        output: folder, made if missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    _set_progress_bar(pipeline, f"{output.name} {clip.stem}")
    first_frame = Image.fromarray(next(iter_frames(clip)))
    frames: Any = pipeline(
        first_frame,
        num_frames=NUM_FRAMES,
        generator=torch.Generator().manual_seed(seed),
        **job.arguments_of(clip),
    ).frames[0]
    write_video(output / clip.name, frames, probe(clip).fps)
    if sidecar_of(clip).is_file():
        shutil.copyfile(sidecar_of(clip), output / sidecar_of(clip).name)


def show_shipped(prompt: str, output: Path) -> None:
    """Writes one prompt's clip by the base directly, `before.mp4`, and with the shipped extension, `after.mp4`."""
    output.mkdir(parents=True, exist_ok=True)
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    extension = pipeline.load_extension("embedded")
    for name, block in (("before", extension.disabled()), ("after", nullcontext())):
        with block:
            _set_progress_bar(pipeline, name)
            generator = torch.Generator().manual_seed(0)
            frames: Any = pipeline(prompt=prompt, num_frames=NUM_FRAMES, generator=generator).frames[0]
            write_video(output / f"{name}.mp4", frames, pipeline.sampling_defaults.fps)


def generate_from_text(pipeline: ExVideoPipeline, prompts: Sequence[str], output: Path) -> None:
    """Writes a clip for each prompt: its first frame by the base's text-to-image model, then the clip from both."""
    output.mkdir(parents=True, exist_ok=True)
    _set_progress_bar(pipeline, output.name)
    for seed, prompt in enumerate(prompts):
        generator = torch.Generator().manual_seed(seed)
        frames: Any = pipeline(prompt=prompt, num_frames=NUM_FRAMES, generator=generator).frames[0]
        path = output / f"{seed:02d}.mp4"
        write_video(path, frames, pipeline.sampling_defaults.fps)
        sidecar_of(path).write_text(json.dumps({"caption": prompt}), encoding="utf-8")


def sidecar_of(clip: Path) -> Path:
    """The JSON file that may be beside a clip."""
    return clip.with_suffix(".json")


def caption_of(clip: Path) -> str:
    """The caption beside a clip, or its name where there is none."""
    if not sidecar_of(clip).is_file():
        return clip.stem
    caption: str = json.loads(sidecar_of(clip).read_text(encoding="utf-8"))["caption"]
    return caption


def _set_progress_bar(pipeline: ExVideoPipeline, title: str) -> None:
    # disable=None: no bar where there is no terminal.
    pipeline.set_progress_bar_config(desc=f"  {title}", leave=False, disable=None)
