"""First frames with Gaussian noise (SVD, arXiv 2311.15127), encoded beforehand: so many variants of each.

A variant's noise and its strength are functions of the video, the frame and the variant's number alone; a training
draw picks a variant (docs/decisions/0010-noisy-first-frames.md).
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from math import exp
from pathlib import Path
from typing import cast

import torch
from exvideo_infer import AugmentsFirstFrame, Base
from torch import Tensor

from exvideo_train.config import NoiseAugmentationSection
from exvideo_train.data.cache_file import metadata_of, opened, write_cached
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.frame_latents import Picture, as_frames
from exvideo_train.noise import keyed_generator


class NoisyImages:
    """Takes the frames of a video in their order, and writes the variants of each first frame of a clip.

    Args:
        file: where to.
        places: of the first frames that are wanted; those that are there already are lacking no more.
        base: what encodes.
        section: the number of variants, and the distribution of strengths.
    """

    def __init__(self, file: EncodedFile, places: Iterable[int], base: Base, section: NoiseAugmentationSection) -> None:
        self._file, self._base, self._section = file, base, section
        wanted = set(places) if section.variants else set()
        self.lacking = {place for place in wanted if metadata_of(variants_of(file, place, section)) is None}

    def add(self, place: int, picture: Picture) -> None:
        """Takes the next frame; raises UserError if the cache cannot be written to."""
        if place not in self.lacking:
            return
        image = as_frames([picture])[0]
        encoded, strengths = [], []
        for number in range(self._section.variants):
            noise, strength = variant_noise(self._file, place, number, self._section, image.shape)
            augments = cast(AugmentsFirstFrame, self._base)
            encoded.append(augments.encode_noisy_image(image + strength * noise))
            strengths.append(strength)
        tensors = {name: torch.stack([one[name] for one in encoded]) for name in encoded[0]}
        write_cached(variants_of(self._file, place, self._section), tensors, {"strengths": json.dumps(strengths)})
        self.lacking.discard(place)


def variants_of(file: EncodedFile, place: int, section: NoiseAugmentationSection) -> Path:
    """The file of the variants of a first frame."""
    name = sha256(json.dumps(section.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return file.folder / f"noisy-{place:08}-{name}.safetensors"


def read_variant(file: EncodedFile, place: int, number: int, section: NoiseAugmentationSection) -> dict[str, Tensor]:
    """The part of what conditions are made of that a noisy first frame decides; raises ValueError as `opened`."""
    with opened(variants_of(file, place, section)) as stored:
        tensors = {name: stored.get_slice(name)[number] for name in stored.keys()}  # noqa: SIM118 not a dict
        strength = json.loads(stored.metadata()["strengths"])[number]
    return tensors | {"noise_augmentation": torch.tensor(strength)}


def variant_noise(
    file: EncodedFile, place: int, number: int, section: NoiseAugmentationSection, shape: torch.Size
) -> tuple[Tensor, float]:
    """The noise of a variant, of a shape, and its standard deviation."""
    generator = keyed_generator(0, f"noise augmentation of {file.folder.name}", place, number)
    strength = exp(section.mean + section.std * torch.randn((), generator=generator, dtype=torch.float64).item())
    return torch.randn(shape, generator=generator), strength
