"""Clips of a way and a seed, each from the first frame and the caption of a held-out clip, in files of its name."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from exvideo_infer import encode_for, write_video
from exvideo_infer.video_file import read_clip
from torch import Tensor

from tiny_world.channels_last import lay_out_channels_last
from tiny_world.wan.base import TinyWanBase
from tiny_world.wan.ways import WAYS, load
from tiny_world.world.clip_files import read_clip_file
from tiny_world.world.spec import FPS

BATCH = 7
SECONDS = "seconds.json"


def make(way: str, clips: Sequence[Path], folder: Path, seed: int, extension: Path | None = None) -> None:
    """Writes those that are missing; `SECONDS` tells what their sampling cost.

    Args:
        way: a name of `WAYS`.
        clips: the held-out ones, always all of them: a clip's noise is by its place and the seed.
        folder: of these clips.
        seed: of the noise.
        extension: of a way that is trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [path for path in clips if not (folder / path.name).exists()]
    if not missing:
        return
    base = load(WAYS[way].prepare, extension)
    lay_out_channels_last(base.embedded.vae.to(torch.bfloat16))
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        started = time.process_time()
        latents = _sample(base, way, batch, [10_000 * seed + clips.index(path) for path in batch])
        seconds = time.process_time() - started
        for path, clip in zip(batch, latents, strict=True):
            frames = torch.stack(list(base.decode(clip.to(torch.bfloat16))))
            pixels = (frames.permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
            shutil.copyfile(path.with_suffix(".json"), folder / path.with_suffix(".json").name)
            write_video(folder / path.name, pixels, FPS)
        _note(folder / SECONDS, {path.name: seconds / len(batch) for path in batch})


def _sample(base: TinyWanBase, way: str, clips: Sequence[Path], seeds: Sequence[int]) -> Tensor:
    """Latents (clips, frames, channels, height, width)."""
    told, noise = [], []
    for path, seed in zip(clips, seeds, strict=True):
        first = read_clip(path, num_frames=1).float() / 127.5 - 1
        encoded = encode_for(base, first.to(base.embedded.vae.dtype), read_clip_file(path).caption)
        told.append(base.conditions({name: tensor.float() for name, tensor in encoded.items()}, FPS, 0))
        shape = (WAYS[way].num_frames, *encoded["first_frame"].shape)
        noise.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
    return WAYS[way].sample(base, type(told[0]).cat(told), torch.stack(noise))


def seconds_a_clip(folder: Path) -> float:
    """The mean over the folder's clips of the processor's seconds that sampling took, without the decoder."""
    noted: dict[str, float] = json.loads((folder / SECONDS).read_text(encoding="utf-8"))
    return sum(noted.values()) / len(noted)


def _note(path: Path, seconds: dict[str, float]) -> None:
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(known | seconds, indent=1), encoding="utf-8")
    temporary.replace(path)
