"""Trains the small Wan of eight frames, image to video with words, in 40 minutes on two cores.

    python -m tiny_world.wan.train --output out/tiny_wan

    latents/               encoded clips
    base/                  the run: checkpoint and losses
    --ship                 writes the average of the weights, in fp16, where `tiny_world.wan` finds it

The first eight frames of the world's training clips at their full rate; the objective is that of the family, as
exvideo-train asks for it, and noise levels are uniform before their shift. A first frame is given, but to some clips.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from exvideo_infer import PromptConditions, load_base
from exvideo_infer.encoders import embed_text
from exvideo_train.step import Batch, Task
from torch import Tensor

from tiny_world.system.image import reworded
from tiny_world.system.latents import encoded_clips
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.wan.base import SHIPPED, save
from tiny_world.wan.network import FAMILY, NUM_FRAMES, TinyWanTransformer, build_network, build_scheduler

CLIPS = 12_288
SCHEDULE = Schedule(steps=12_000, batch_size=16, learning_rate=1e-3, warmup_steps=200)
WITHOUT_WORDS = 0.1  # the share trained on the empty caption, for guidance
WITHOUT_FIRST_FRAME = 0.2  # the share given words alone, a part of a batch at a time: TI2V-5B makes clips of both


def train_wan(folder: Path, seed: int = 0) -> TinyWanTransformer:
    """Trains from where the run in `folder / "base"` ends; returns the network with the average of its weights."""
    embedded: Any = load_base("embedded", torch.bfloat16)  # on a CPU, the encoder takes a third of the time then
    pool = encoded_clips(folder / "latents", embedded.vae, embedded.image_encoder, CLIPS, NUM_FRAMES).latents
    clean = pool.float() * embedded.vae.config.scaling_factor
    text: Any = load_base("embedded")
    words = partial(embed_text, text.text_encoder, text.tokenizer)
    torch.manual_seed(seed)
    network = build_network()
    train(network, partial(part_of_step, network, clean, words, seed), SCHEDULE, folder / "base")
    return network


def part_of_step(
    network: TinyWanTransformer,
    latents: Tensor,
    words: Callable[[list[str]], Tensor],
    seed: int,
    step: int,
    part: int,
    parts: int,
) -> Callable[[], Tensor]:
    """The loss of a part of a step's batch, which is a function of the seed and of the step.

    Args:
        latents: (clips, frames, channels, height, width), scaled.
        words: captions -> (captions, tokens, dimension).
    """
    random, generator = generators(seed, "wan", step, part)
    given = int(random.random() >= WITHOUT_FIRST_FRAME)
    task = Task(FAMILY, FAMILY.objective(build_scheduler(), distribution="uniform", given_frames=given))
    numbers = random.integers(len(latents), size=SCHEDULE.batch_size // parts)
    clean = latents[numbers]
    tokens = words([reworded(number, random, WITHOUT_WORDS) for number in numbers])
    noise = torch.randn(clean.shape, generator=generator)
    level = torch.stack([task.objective.draw(generator, clean[0].numel()) for _ in numbers])
    batch = Batch(clean, noise, level, PromptConditions(tokens, clean[:, 0] if given else None))
    return lambda: task.loss(network, batch, torch.float32).mean()


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, and with --ship writes what was trained; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.wan.train", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/tiny_wan"), metavar="DIR")
    parser.add_argument("--ship", action="store_true", help=f"write {SHIPPED}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a part of a batch a core, see side_by_side.py
    network = train_wan(options.output)
    if options.ship:
        save(network, SHIPPED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
