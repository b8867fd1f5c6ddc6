"""From scenes of films to the base that own footage is extended from, and a sheet of what it makes."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from exvideo_infer import load_base
from exvideo_infer.video_file import iter_frames, probe
from exvideo_train.data.manifest import HELD_OUT, TRAINING, read_manifest

from demo.film import base
from demo.film.base import Scene
from demo.job import FRAME_SIZE, NUM_FRAMES
from tiny_world.small_base import build_scheduler
from tiny_world.system.pack import SAMPLING, SIGMA_MAX, SIGMA_MIN
from tiny_world.system.vae import build_vae
from tiny_world.system.video import build_video_unet


def train_base(clips: Path, output: Path) -> Path:
    """Trains from where the runs in `output` end; returns the base's folder, which is written at their end.

    Args:
        clips: what exvideo-prepare --cut has written.

    Raises:
        ValueError: the clips are of no use.
    """
    scenes = read_scenes(clips, TRAINING)
    components, embedded = untrained()
    begin = base.begin_with(components["vae"], embedded.vae.state_dict())
    print(f"the VAE begins with the embedded one's weights, but for {', '.join(begin)}", flush=True)
    base.train_vae(components["vae"], scenes, output / "vae", base.VAE, base.CLIPS_FROM)
    components["vae"].requires_grad_(False)
    held_out = base.decibels(components["vae"], read_scenes(clips, HELD_OUT))
    print(f"scenes that are held out come back from the VAE at {held_out:.1f} dB", flush=True)
    base.begin_with(components["unet"], embedded.network.state_dict())
    base.train_unet(components, scenes, output / "unet", base.UNET)
    return write_base(components, scenes[0].fps, output / "base")


def untrained() -> tuple[dict[str, Any], Any]:
    """The components of a base, and the embedded one whose weights they begin with."""
    embedded: Any = load_base("embedded")
    torch.manual_seed(base.SEED)
    components = {
        "vae": build_vae(base.LATENT_CHANNELS),
        "unet": build_video_unet(base.LATENT_CHANNELS),
        "image_encoder": embedded.image_encoder,
        "feature_extractor": embedded.feature_extractor,
        "scheduler": build_scheduler(SIGMA_MIN, SIGMA_MAX),
    }
    return components, embedded


def write_base(components: dict[str, Any], fps: float, folder: Path) -> Path:
    """The base in fp16, in diffusers' layout, with what a sampler takes where a caller leaves it open."""
    from diffusers import StableVideoDiffusionPipeline

    halved = {name: part.half() if isinstance(part, torch.nn.Module) else part for name, part in components.items()}
    StableVideoDiffusionPipeline(**halved).save_pretrained(folder)
    sampling = {name: value for name, value in SAMPLING.items() if name != "text_to_image"} | {"fps": fps}
    temporary = folder / ".sampling.json.tmp"
    temporary.write_text(json.dumps(sampling, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "sampling.json")
    return folder


def read_scenes(clips: Path, split: str) -> list[Scene]:
    """The clips of a split of exvideo-prepare's list, in memory.

    Args:
        split: `TRAINING` or `HELD_OUT`.

    Raises:
        UserError: there is no list, or it has no row of the split.
        ValueError: a clip is of another height, narrower than high, or shorter than `NUM_FRAMES`.
    """
    assert split in (TRAINING, HELD_OUT)
    scenes = []
    for entry in read_manifest("clips", clips / "metadata.jsonl", split):
        info = probe(entry.path)
        if info.height != FRAME_SIZE or info.width < FRAME_SIZE or info.num_frames < NUM_FRAMES:
            raise ValueError(
                f"{entry.path} has {info.num_frames} frames of {info.height}x{info.width}: cut it with exvideo-prepare "
                f"--cut --size {FRAME_SIZE} {7 * FRAME_SIZE // 4} --min-frames {NUM_FRAMES}."
            )
        pictures = [torch.from_numpy(picture).permute(2, 0, 1) for picture in iter_frames(entry.path)]
        scenes.append(Scene(torch.stack(pictures), info.fps))
    return scenes
