"""Trains the networks of the embedded model and its judges, packs them for shipping, or unpacks them to train on."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tiny_world.system import system

TRAIN: dict[str, Callable[[Path, torch.device], Any]] = {  # in the order in which they need each other
    "encoders": system.encoders,
    "vae": system.vae,
    "video": system.video_unet,
    "image": system.image_unet,
    "classifier": system.classifier,
    "matcher": system.matcher,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains or packs; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.system", description=__doc__)
    parser.add_argument(
        "what",
        choices=(*TRAIN, "all", "pack", "unpack"),
        help="a network, or all, to train; or packages to fill, or read",
    )
    parser.add_argument("--output", type=Path, default=Path("out/tiny_system"), metavar="DIR")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # a part of a batch a core, see side_by_side.py
    for name, run in TRAIN.items():
        if options.what in (name, "all"):
            run(options.output, device)
    if options.what == "pack":
        from tiny_world.system.pack import pack

        pack(options.output)
    if options.what == "unpack":
        from tiny_world.system.unpack import unpack

        unpack(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
