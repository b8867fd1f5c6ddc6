"""The base of films: networks of the embedded model's shape, trained on scenes of films.

The VAE begins with what the embedded one has learnt, and has twice its latent channels, as pictures have more in them
than the tiny world has; the UNet likewise. Both draw squares of a scene, anywhere along its width, mirrored or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_infer import Conditions
from exvideo_infer.encoders import added_time_ids, embed_image, encode_clip
from exvideo_train.data.motion import motion_bucket, motion_score
from torch import Tensor, nn

from demo.job import FRAME_SIZE
from tiny_world.system.training_loop import Schedule
from tiny_world.system.vae import Pictures, set_scaling_factor, train_on_pictures
from tiny_world.system.video import NUM_FRAMES, WITHOUT_CONDITION, Windows, train_on_windows

SEED = 0
LATENT_CHANNELS = 16
VAE = Schedule(steps=2000, batch_size=16, learning_rate=1e-3, ema_decay=0.995, half=True, checkpoint_every=50)
CLIPS_FROM = 1750  # of these steps: until then stills, which leave the temporal layers out
UNET = Schedule(steps=4000, batch_size=16, learning_rate=1.2e-3, warmup_steps=200, half=True, checkpoint_every=50)
STRIDES = (1, 5, 2, 5)  # as often as the embedded base saw each; the network is told the frame rate that is left
OFFSETS = 3  # squares of a scene that are encoded, side by side, each mirrored too
SCALED = 128  # frames by which the latents' scale is set


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        frames: (frames, 3, height, width) uint8; `FRAME_SIZE` high and at least as wide.
        fps: of them.
    """

    frames: Tensor
    fps: float

    def square(self, offset: int, is_mirrored: bool, places: slice | Tensor = slice(None)) -> Tensor:
        """Some frames, in [-1, 1], from that column on: (places, 3, `FRAME_SIZE`, `FRAME_SIZE`)."""
        pixels = self.frames[places, :, :, offset : offset + FRAME_SIZE].float() / 127.5 - 1
        return pixels.flip(-1) if is_mirrored else pixels

    @property
    def slack(self) -> int:
        """The last column that a square can begin at."""
        return self.frames.shape[-1] - FRAME_SIZE


def begin_with(network: nn.Module, known: Mapping[str, Tensor]) -> list[str]:
    """Gives a network the weights of another of the same shape; the names of those that stay as they were."""
    own = network.state_dict()
    taken = {name: tensor for name, tensor in known.items() if name in own and own[name].shape == tensor.shape}
    network.load_state_dict(taken, strict=False)
    return sorted(own.keys() - taken.keys())


def train_vae(vae: Any, scenes: Sequence[Scene], folder: Path, schedule: Schedule, clips_from: int) -> None:
    """Trains in place, on stills and from a step on on clips, and sets the scaling factor."""
    lengths = np.array([len(scene.frames) for scene in scenes])

    def draw(random: np.random.Generator, number: int) -> tuple[Scene, int, int, bool]:
        """A scene, its place and the square, such that `number` frames follow."""
        scene = scenes[random.choice(len(scenes), p=lengths / lengths.sum())]
        place = int(random.integers(len(scene.frames) - number + 1))
        return scene, place, int(random.integers(scene.slack + 1)), bool(random.integers(2))

    def some(random: np.random.Generator, clips: int, number: int) -> Tensor:
        drawn = [draw(random, number) for _ in range(clips)]
        return torch.cat([
            scene.square(offset, mirrored, slice(place, place + number)) for scene, place, offset, mirrored in drawn
        ])  # fmt: skip

    def pictures(step: int, part: int, parts: int, random: np.random.Generator) -> Pictures:
        number = NUM_FRAMES if step >= clips_from else 1
        pixels = some(random, schedule.batch_size // parts // number, number)
        return Pictures(pixels, torch.ones(len(pixels), 1, 1, 1), number)

    train_on_pictures(vae, pictures, schedule, folder, SEED)
    set_scaling_factor(vae, some(np.random.default_rng(SEED), SCALED, 1))


@torch.no_grad()
def decibels(vae: Any, scenes: Sequence[Scene]) -> float:
    """The peak signal-to-noise ratio at which the middle of scenes' first frames comes back, mean over scenes."""
    found = []
    for scene in scenes:
        pixels = scene.square(scene.slack // 2, False, slice(NUM_FRAMES))
        back = vae.decode(vae.encode(pixels).latent_dist.mode(), num_frames=len(pixels)).sample.clamp(-1, 1)
        found.append(10 * log10(4 / float((back - pixels).square().mean())))
    return sum(found) / len(found)


def train_unet(components: Mapping[str, Any], scenes: Sequence[Scene], folder: Path, schedule: Schedule) -> None:
    """Trains in place on windows of eight frames, which are encoded in the folder once."""
    pool = encoded(components, scenes, folder / "latents")

    def window(random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        stride = int(random.choice(STRIDES))
        span = (NUM_FRAMES - 1) * stride + 1
        room = np.array([max(0, len(scene.frames) - span + 1) for scene in scenes])
        number = int(random.choice(len(scenes), p=room / room.sum()))
        place, square = int(random.integers(room[number])), int(random.integers(len(pool[number]["latents"])))
        places, scene = slice(place, place + span, stride), scenes[number]
        amount = motion_bucket(motion_score(scene.square(*_squares(scene)[square], places)))
        ids = added_time_ids(scene.fps / stride, amount, 0.0, 1, torch.float32, "cpu")[0]
        return pool[number]["latents"][square, places].float(), pool[number]["tokens"][square, place].float(), ids

    def windows(random: np.random.Generator, clips: int) -> Windows:
        latents, tokens, ids = map(torch.stack, zip(*(window(random) for _ in range(clips)), strict=True))
        kept = torch.from_numpy(random.random(clips) >= WITHOUT_CONDITION).float()
        first = latents[:, 0] / components["vae"].config.scaling_factor * kept[:, None, None, None]
        return Windows(latents, Conditions(tokens * kept[:, None, None], first, ids))

    train_on_windows(components["unet"], windows, schedule, folder, SEED)


def encoded(components: Mapping[str, Any], scenes: Sequence[Scene], folder: Path) -> list[dict[str, Tensor]]:
    """Scenes as the network sees them, each in a file, fp16.

    Returns:
        Of each scene `latents` (squares, frames, channels, height, width), scaled, and `tokens` (squares, frames, 1,
        width).
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.safetensors" for number in range(len(scenes))]
    for scene, path in zip(scenes, paths, strict=True):
        if path.exists():
            continue
        squares = [scene.square(*square) for square in _squares(scene)]
        latents = [encode_clip(components["vae"], pixels[None], chunk_size=16)[0].half() for pixels in squares]
        image = components["image_encoder"], components["feature_extractor"]
        tokens = [torch.cat([embed_image(*image, some) for some in pixels.split(16)]).half() for pixels in squares]
        write_safetensors(path, {"latents": torch.stack(latents), "tokens": torch.stack(tokens)}, {})
    return [read_safetensors(path)[0] for path in paths]


def _squares(scene: Scene) -> list[tuple[int, bool]]:
    """Column and mirroring of each square that is encoded."""
    offsets = dict.fromkeys(round(place * scene.slack / max(OFFSETS - 1, 1)) for place in range(OFFSETS))
    return [(offset, is_mirrored) for offset in offsets for is_mirrored in (False, True)]
