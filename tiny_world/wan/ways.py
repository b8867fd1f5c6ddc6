"""Ways of making a clip of forty frames with a network of eight: as it is, otherwise run, or post-tuned."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, extend, load_extension
from exvideo_infer import Conditions, Windows, denoise, load_base
from exvideo_infer.beyond.windows import WindowedFamily
from torch import Tensor

from tiny_world.wan.base import SHIPPED, STEPS, TinyWanBase
from tiny_world.wan.decayed_attention import decay_attention
from tiny_world.wan.network import FAMILY, NUM_FRAMES
from tiny_world.wan.post_tune import LONGER

LONG = 40
# The first has the clip's first frame, which is at no other's beginning: those are held by what they share.
WINDOWS = Windows(NUM_FRAMES, overlap=NUM_FRAMES // 2, image="none")
ROW_TOKENS = 16
LEVELS = ("position", "lora", "full")

# (base, conditions, noise) -> latents (batch, frames, channels, height, width)
Sample = Callable[[TinyWanBase, Any, Tensor], Tensor]


@dataclass(frozen=True)
class Way:
    """One way.

    Args:
        title: in the table.
        prepare: changes a base that was just loaded, given the file of the extension, if there is one.
        sample: makes clips with it.
        is_trained: True if it has an extension, of the level that is its name.
        num_frames: of its clips.
    """

    title: str
    prepare: Callable[[TinyWanBase, Path | None], None]
    sample: Sample
    is_trained: bool = False
    num_frames: int = LONG


def load(prepare: Callable[[TinyWanBase, Path | None], None], extension: Path | None = None) -> TinyWanBase:
    """The shipped base, prepared."""
    base = load_base(SHIPPED)
    assert isinstance(base, TinyWanBase)
    prepare(base, extension)
    return base


def whole(base: TinyWanBase, conditions: Conditions, noise: Tensor, family: Any = FAMILY) -> Tensor:
    """All frames at once, without guidance, along the base's own noise levels."""
    scales = torch.ones(noise.shape[1])
    return denoise(base.network, base.scheduler, noise, conditions, scales, STEPS, family=family)


def chained(base: TinyWanBase, conditions: Any, noise: Tensor) -> Tensor:
    """Clips of the base's own length, each from the last latents of the one before."""
    made = conditions.first_frame[:, None]
    while made.shape[1] < noise.shape[1]:
        start = made.shape[1] - 1
        part = noise[:, start : start + NUM_FRAMES]
        clip = whole(base, replace(conditions, first_frame=made[:, -1]), part)
        made = torch.cat([made, clip[:, 1:]], dim=1)
    return made


def _as_it_is(base: TinyWanBase, extension: Path | None) -> None:
    """Leaves the base as it is."""


def _positions(scheme: str, base: TinyWanBase, extension: Path | None) -> None:
    extend(base.network, ExtensionConfig(LONG, "position", scheme))


def _decayed(base: TinyWanBase, extension: Path | None) -> None:
    decay_attention(base.network, NUM_FRAMES, ROW_TOKENS)


def _extended(base: TinyWanBase, extension: Path | None) -> None:
    assert extension is not None
    load_extension(base.network, extension)


WAYS = {
    "direct": Way("run directly", _as_it_is, whole),
    "interpolated": Way("positions interpolated", partial(_positions, "interpolated"), whole),
    "riflex": Way("RIFLEx", partial(_positions, "riflex"), whole),
    "decayed": Way("decayed attention (UltraViCo)", _decayed, whole),
    "windows": Way("sliding windows, blended", _as_it_is, partial(whole, family=WindowedFamily(FAMILY, WINDOWS))),
    "chained": Way("windows one after the other", _as_it_is, chained),
} | {level: Way(f"post-tuned, `{level}`", _extended, whole, is_trained=True) for level in LEVELS}
WAYS[LONGER] = Way("post-tuned, `lora`, five times as long", _extended, whole, is_trained=True)
TRAINING_FREE = tuple(name for name, way in WAYS.items() if not way.is_trained)
OWN = "own"
WAYS[OWN] = Way("at its own eight frames", _as_it_is, whole, num_frames=NUM_FRAMES)  # what the base can do
