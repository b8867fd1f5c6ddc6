"""Fits the preview of the embedded model to its decoder, and writes it into its folder.

python -m tiny_world.system.preview
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_infer import load_base
from exvideo_infer.encoders import encode_clip
from exvideo_infer.preview import fit_preview
from torch import Tensor

from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec

CLIPS = 64
FRAMES = 8  # that the base was trained on
SEED = 0


def latents_of_world(vae: Any, count: int, split: str, seed: int = SEED) -> Iterator[Tensor]:
    """Latents (frames, channels, height, width) of clips of the world, in the network's scale."""
    for index in range(count):
        pixels = np.ascontiguousarray(render(sample_spec(seed, index, split), FRAMES))
        yield encode_clip(vae, torch.from_numpy(pixels).permute(0, 3, 1, 2)[None] / 127.5 - 1)[0]


def write_preview(vae: Any, folder: Path) -> None:
    """Writes `preview.json`, fitted to clips that the model was trained on."""
    fit_preview(vae, latents_of_world(vae, CLIPS, "train")).save(folder)


def main() -> None:
    """Fits it to the embedded model as it is shipped."""
    from exvideo_infer import embedded

    base: Any = load_base("embedded")
    write_preview(base.vae, embedded.directory())


if __name__ == "__main__":
    main()
