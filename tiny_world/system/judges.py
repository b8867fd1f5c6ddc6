"""The judges: a video classifier and a text-video matcher, which never see the generator's encoders or its clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from exvideo_eval.tiny_world.networks import MAX_CAPTION_WORDS, Matcher, VideoClassifier
from torch import Tensor
from torch.nn import functional as F

from tiny_world.system.batches import Clips, clips_of, part_of_batch
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.world.captions import vocabulary, words_of
from tiny_world.world.sampler import MOTIONS
from tiny_world.world.spec import COLOURS, PLACES, SHAPES, ClipSpec

WORLD_SEED = 7  # another world than the generator's: the same rules, other clips
LENGTHS = (8, 8, 16, 40)  # frames, of the clips of one step after another; the longer, the fewer
CLASSIFIER = Schedule(steps=4600, batch_size=64, learning_rate=2e-3, checkpoint_every=250)
MATCHER = Schedule(steps=1000, batch_size=64, learning_rate=1e-3, checkpoint_every=250)
FILLING, UNKNOWN = "<pad>", "<unk>"
WORDS = (FILLING, UNKNOWN, *vocabulary())
PROPERTIES: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "place": PLACES,
    "motion": tuple(f"{kind} {direction}" for kind, direction in MOTIONS),
}
NOISE = 0.06  # the most, of pixels in [-1, 1]
BLUR = 0.7  # the share of clips that are softened


def train_classifier(folder: Path, seed: int, device: torch.device) -> VideoClassifier:
    """Shape, colour, place and motion of the first (left) subject, from 8 to 40 frames."""
    torch.manual_seed(seed)
    classifier = VideoClassifier(PROPERTIES).to(device)

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        def loss() -> Tensor:
            clips = _clips(CLASSIFIER, seed, step, part, parts)  # here: rendered while the other part is computed
            truth = [torch.tensor(labels, device=device) for labels in zip(*map(labels_of, clips.specs), strict=True)]
            odds = classifier(clips.pixels.to(device))
            return torch.stack(
                [F.cross_entropy(odds[name], of) for name, of in zip(PROPERTIES, truth, strict=True)]
            ).sum()

        return loss

    train(classifier, part_of_step, CLASSIFIER, folder)
    return classifier


def train_matcher(folder: Path, seed: int, device: torch.device) -> Matcher:
    """Contrastive, within each part of a batch (CLIP, arXiv 2103.00020, figure 3)."""
    torch.manual_seed(seed)
    matcher = Matcher(len(WORDS)).to(device)

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        def loss() -> Tensor:
            clips = _clips(MATCHER, seed, step, part, parts)
            words = numbers_of(clips.captions).to(device)
            video, text = matcher.embed_clips(clips.pixels.to(device)), matcher.embed_captions(words)
            likeness = matcher.log_scale.clamp(max=4.6).exp() * video @ text.T
            own = torch.arange(len(likeness), device=device)
            return (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own)) / 2

        return loss

    train(matcher, part_of_step, MATCHER, folder)
    return matcher


def labels_of(spec: ClipSpec) -> tuple[int, ...]:
    """The class of each of PROPERTIES, in their order."""
    subject, motion = spec.subjects[0], spec.motion
    names = (subject.shape, subject.colour, spec.background.place, f"{motion.kind} {motion.direction}")
    return tuple(classes.index(name) for classes, name in zip(PROPERTIES.values(), names, strict=True))


def numbers_of(captions: tuple[str, ...]) -> Tensor:
    """Word numbers (captions, MAX_CAPTION_WORDS), filled up with 0."""
    numbers = torch.zeros((len(captions), MAX_CAPTION_WORDS), dtype=torch.long)
    for row, text in enumerate(captions):
        known = [WORDS.index(word) if word in WORDS else 1 for word in words_of(text)][:MAX_CAPTION_WORDS]
        numbers[row, : len(known)] = torch.tensor(known)
    return numbers


def _clips(schedule: Schedule, seed: int, step: int, part: int, parts: int) -> Clips:
    length = LENGTHS[step % len(LENGTHS)]
    numbers = part_of_batch(step, part, parts, schedule.batch_size)
    clips = clips_of(numbers[: len(numbers) * LENGTHS[0] // length], length, seed=WORLD_SEED)
    return Clips(clips.specs, clips.captions, _worn(clips.pixels, seed, step, part))


def _worn(pixels: Tensor, seed: int, step: int, part: int) -> Tensor:
    """Softened and noisy, as decoded and generated clips are, so that neither is judged by its grain."""
    _, generator = generators(seed, "worn", step, part)
    share = torch.rand((len(pixels), 1, 1, 1, 1), generator=generator)
    soft = F.avg_pool2d(F.pad(pixels.flatten(0, 1), (1, 1, 1, 1), mode="replicate"), 3, stride=1).view_as(pixels)
    amount = (share - (1 - BLUR)).clamp(min=0) / BLUR
    strength = NOISE * torch.rand((len(pixels), 1, 1, 1, 1), generator=generator)
    noise: Any = torch.randn(pixels.shape, generator=generator)
    return pixels + amount * (soft - pixels) + strength * noise
