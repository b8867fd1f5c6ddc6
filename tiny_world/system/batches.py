"""Batches of the world: clips by number, rendered when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tiny_world.world.captions import brief_caption, caption
from tiny_world.world.motion import state_of
from tiny_world.world.render import render, subject_coverage
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import ClipSpec

WORLD_SEED = 0
BRIEF_SHARE = 0.15  # of captions


@dataclass(frozen=True)
class Clips:
    """Clips with their words: `pixels` is (clips, frames, 3, height, width) in [-1, 1]."""

    specs: tuple[ClipSpec, ...]
    captions: tuple[str, ...]
    pixels: Tensor


def stride_of(number: int, strides: Sequence[int]) -> int:
    """Of the frames of a clip: clips take the strides in turn."""
    return strides[number % len(strides)]


def clips_of(
    indices: range, num_frames: int, split: str = "train", seed: int = WORLD_SEED, strides: Sequence[int] = (1,)
) -> Clips:
    """The world's clips of these numbers, from their first frame on, each with a full or a brief caption.

    Args:
        strides: taken in turn; of a clip with stride 2 every second frame is shown, num_frames in all.
    """
    specs = tuple(sample_spec(seed, index, split) for index in indices)
    steps = [stride_of(index, strides) for index in indices]
    frames = np.stack([render(spec, num_frames * step)[::step] for spec, step in zip(specs, steps, strict=True)])
    return Clips(specs, tuple(caption_of(spec) for spec in specs), to_pixels(frames))


def caption_of(spec: ClipSpec) -> str:
    """A caption as in training: brief for some clips, full for the others, always the same for a clip."""
    is_brief = np.random.default_rng(spec.paraphrase).random() < BRIEF_SHARE
    return brief_caption(spec) if is_brief else caption(spec)


def part_of_batch(step: int, part: int, parts: int, batch_size: int) -> range:
    """The numbers of the clips that a part of a step's batch has: each clip is drawn once in a run."""
    each = batch_size // parts
    return range(step * batch_size + part * each, step * batch_size + (part + 1) * each)


def to_pixels(frames: np.ndarray) -> Tensor:
    """uint8 (..., height, width, 3) to float (..., 3, height, width) in [-1, 1]."""
    return torch.from_numpy(np.moveaxis(frames, -1, -3)).float() / 127.5 - 1


def where_subjects_are(specs: Sequence[ClipSpec], num_frames: int) -> Tensor:
    """1 on and around subjects, 0 elsewhere: (clips, frames, 1, height, width)."""
    masks = []
    for spec in specs:
        state = state_of(spec, num_frames)
        covers = [torch.from_numpy(subject_coverage(spec, state, which)) for which in range(len(spec.subjects))]
        masks.append(F.max_pool2d(torch.stack(covers).amax(0)[:, None], 5, stride=1, padding=2))
    return torch.stack(masks)


def subject_latents(num_clips: int, num_frames: int, strides: Sequence[int] = (1,)) -> Tensor:
    """1 where a latent of 8x8 pixels has a part of a subject, else 0: (clips, frames, 1, 8, 8), of training clips."""
    masks = []
    for index in range(num_clips):
        step = stride_of(index, strides)
        mask = where_subjects_are([sample_spec(WORLD_SEED, index)], num_frames * step)[0, ::step]
        masks.append(F.max_pool2d(mask, 8))
    return torch.stack(masks)
