"""Checks of what a caller asked for, each refused in one sentence before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from exvideo_infer.first_frame import FirstFrame, check_image
from exvideo_infer.prompts import Prompt, check_prompt

Generators = torch.Generator | list[torch.Generator] | None


def check_prompt_and_image(
    prompt: Prompt | None, image: FirstFrame | None, reads_text: bool, makes_images: bool
) -> tuple[list[str] | None, list[Image.Image] | Tensor | None]:
    """Both as lists (or the image as one batch), where they are given.

    Args:
        prompt, image: as `ExVideoPipeline.__call__` takes them.
        reads_text: whether the base does.
        makes_images: whether there is a text-to-image model.

    Raises:
        ValueError: if neither is given, one is not what it should be, the models cannot make use of what is given, or
            the numbers of prompts and images differ.
    """
    prompts = None if prompt is None else check_prompt(prompt)
    images = None if image is None else check_image(image)
    if images is None:
        if prompts is None:
            raise ValueError("Neither prompt nor image is given: give a prompt, a first frame, or both.")
        if not makes_images:
            raise ValueError(
                "There is no text-to-image model to make a first frame from the prompt: give an image, or load the "
                'pipeline with text_to_image="owner/name" or a folder.'
            )
    elif prompts is not None:
        if not reads_text:
            raise ValueError(
                "The base reads no text, so that the prompt would not change the clip of this image: leave the prompt "
                'out, or load a base that reads text, such as "embedded".'
            )
        if len(prompts) != len(images):
            raise ValueError(f"{len(prompts)} prompts were given for {len(images)} images: give one for each.")
    return prompts, images


def check_generators(generator: Generators, batch_size: int) -> None:
    """Raises ValueError if a list of generators is not one a clip."""
    if isinstance(generator, list) and len(generator) != batch_size:
        raise ValueError(
            f"{len(generator)} generators were given for {batch_size} clips: give one for all, or one each."
        )


def check_latents(latents: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raises ValueError if latents are given and are not of this shape."""
    if latents is not None and tuple(latents.shape) != shape:
        raise ValueError(f"latents have shape {tuple(latents.shape)}: these arguments need {shape}.")


def check_choices(name: str, given: Sequence[str], choices: Sequence[str]) -> None:
    """Raises ValueError if one of those given is none of the choices."""
    for choice in given:
        if choice not in choices:
            raise ValueError(f"{name} is {choice!r}: choose from {', '.join(choices)}.")


def check_positive(**counts: int) -> None:
    """Raises ValueError if a count is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}: give at least 1.")
