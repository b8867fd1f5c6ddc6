"""A base of one rate: the embedded one's architecture and encoders, trained on every frame of its clips and no others.

    python -m tiny_world.system.one_rate --output out/one_rate

    latents/    encoded clips
    unet/       the run: checkpoint and losses
    base/       a Stable Video Diffusion folder, which load_base, exvideo-train and exvideo-generate take

The embedded base saw a quarter of its clips at full rate and the others at lower ones, which it is told: a low rate is
how it makes clips that last longer than eight frames. This one knows no other rate than the world's. It has as many
steps as gave the embedded one its clips of full rate.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from exvideo_infer import load_base

from tiny_world.system.encoders import Encoders
from tiny_world.system.pack import SYSTEM_FOLDER
from tiny_world.system.system import SEED
from tiny_world.system.video import SCHEDULE, STRIDES, build_video_unet, train_on_windows, world_windows

STEPS = SCHEDULE.steps * STRIDES.count(1) // len(STRIDES)
NOT_ITS_OWN = shutil.ignore_patterns("extension.safetensors", "README.md", "__init__.py", "__pycache__", "unet")


def train_one_rate(folder: Path, steps: int = STEPS) -> Path:
    """Trains from where the run in `folder / "unet"` ends; returns the base's folder, which is written at its end."""
    embedded: Any = load_base("embedded", torch.bfloat16)  # on a CPU, the encoder takes a third of the time then
    towers = Encoders()
    towers.image = embedded.image_encoder
    text: Any = load_base("embedded")
    towers.text = text.text_encoder
    windows = world_windows(folder / "latents", embedded.vae, towers, strides=(1,))
    torch.manual_seed(SEED)
    unet = build_video_unet()
    train_on_windows(unet, windows, replace(SCHEDULE, steps=steps), folder / "unet", SEED)
    return write_base(folder / "base", unet)


def write_base(folder: Path, unet: Any) -> Path:
    """The embedded system with another network, in fp16."""
    shutil.copytree(SYSTEM_FOLDER, folder, ignore=NOT_ITS_OWN, dirs_exist_ok=True)
    unet.half().save_pretrained(folder / "unet")
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.system.one_rate", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/one_rate"), metavar="DIR")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a part of a batch a core, see side_by_side.py
    print(train_one_rate(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
