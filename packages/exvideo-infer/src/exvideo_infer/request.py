"""A caller's request, checked: whatever cannot be served is refused in one sentence before any work is done."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.pictures import MIN_SIDE, as_rgb
from exvideo_infer.ranges import NOISE, RANGES

Prompt = str | Sequence[str]
FirstFrame = Image.Image | Sequence[Image.Image] | Tensor


def check_prompt(prompt: Prompt) -> list[str]:
    """The prompts as a list.

    Raises:
        ValueError: if there is none, or one is not text.
    """
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not prompts:
        raise ValueError("prompt is an empty list: give at least one, or leave it out.")
    for index, one in enumerate(prompts):
        if not isinstance(one, str):
            raise ValueError(f"prompt {index} is a {type(one).__name__}: give text.")
    return prompts


def check_image(image: FirstFrame) -> list[Image.Image] | Tensor:
    """The images as a list of PIL images or as one (batch, 3, height, width) tensor in [0, 1].

    Raises:
        ValueError: if it is neither, is empty, has a side of one pixel, is not floating or not within [0, 1], or a
            picture is in a mode that no screen shows (`exvideo_infer.pictures.as_rgb`).
    """
    if isinstance(image, Tensor):
        return _check_tensor(image)
    if isinstance(image, str):
        raise ValueError(f"image is the text {image!r}: give text as prompt=, and a picture as a PIL image.")
    images = [image] if isinstance(image, Image.Image) else list(image)
    if not images:
        raise ValueError("image is an empty list: give at least one first frame.")
    for index, one in enumerate(images):
        if not isinstance(one, Image.Image):
            raise ValueError(f"image {index} is a {type(one).__name__}: give PIL images, or one tensor for all.")
    return [as_rgb(one, f"image {index}") for index, one in enumerate(images)]


def check_prompt_and_image(
    prompt: Prompt | None, image: FirstFrame | None, reads_text: bool, makes_images: bool
) -> tuple[list[str] | None, list[Image.Image] | Tensor | None]:
    """Both as lists (or the image as one batch), where they are given.

    Args:
        prompt, image: as `ExVideoPipeline.__call__` takes them.
        reads_text: the base does.
        makes_images: there is a text-to-image model.

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


def check_latents(latents: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raises ValueError if latents are given and are not of this shape, or not finite."""
    if latents is None:
        return
    if tuple(latents.shape) != shape:
        raise ValueError(f"latents have shape {tuple(latents.shape)}: these arguments need {shape}.")
    if not latents.isfinite().all():
        raise ValueError("latents hold values that are infinite or no numbers: give standard normal noise.")


def check_size(height: int, width: int, multiple: int) -> None:
    """Raises ValueError if a network cannot work on clips of this size: both sides are positive multiples."""
    if height < 1 or width < 1 or height % multiple or width % multiple:
        raise ValueError(f"height x width is {height}x{width}: give positive multiples of {multiple}.")


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


def check_sampling(sampling: SamplingDefaults) -> None:
    """Raises ValueError if a number that the network is told is out of what it can be told, or there is no step."""
    check_positive(num_inference_steps=sampling.num_inference_steps)
    told = {name: RANGES[name] for name in ("fps", "motion_bucket_id")} | {"noise_aug_strength": NOISE}
    for name, accepted in told.items():
        value = getattr(sampling, name)
        if not accepted.least <= value <= accepted.most:
            raise ValueError(f"{name} is {value}: give {accepted}.")


def _check_tensor(image: Tensor) -> Tensor:
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or batch.shape[1] != 3 or batch.shape[0] == 0:
        raise ValueError(f"image has shape {tuple(image.shape)}: give (batch, 3, height, width) or (3, height, width).")
    if min(batch.shape[2:]) < MIN_SIDE:
        height, width = batch.shape[2:]
        raise ValueError(f"image is {width}x{height}: give at least {MIN_SIDE}x{MIN_SIDE} pixels.")
    if not batch.is_floating_point() or not (batch.min() >= 0 and batch.max() <= 1):
        raise ValueError(f"image is {batch.dtype} from {batch.min()} to {batch.max()}: give floats in [0, 1].")
    return batch.float()
