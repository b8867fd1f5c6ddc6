"""The fields of the page as a job: empty ones are left open, and the seed is drawn where there is none."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from exvideo_infer.jobs.job import Job
from exvideo_infer.ranges import RANGES

NUMBERS = ("seconds", "steps", "guidance_min", "guidance_max", "fps", "motion_bucket_id", "height", "width")
RANDOM_SEEDS = 2**32  # short enough to be read out


def jobs_of(prompt: str, image: str | None, seed: str, numbers: Sequence[str], compare: bool) -> list[Job]:
    """The clip that is asked for; before it the same without the extension, if both are to be compared.

    Args:
        prompt: empty for none.
        image: file of the first frame.
        seed: a whole number, or empty for one that is drawn.
        numbers: in the order of `NUMBERS`, empty where they are left to the model.
        compare: ask for both.

    Raises:
        ValueError: a field is wrong, in one sentence; or there is neither prompt nor picture.
    """
    words = prompt.strip() or None
    if words is None and image is None:
        raise ValueError("There is neither a prompt nor a picture: say what to show, or give a first frame.")
    texts = dict(zip(NUMBERS, numbers, strict=True)) | {"seed": seed.strip() or str(secrets.randbelow(RANDOM_SEEDS))}
    given: dict[str, Any] = {name: _parse(name, text.strip()) for name, text in texts.items() if text.strip()}
    job = Job(prompt=words, image=None if image is None else Path(image), **given)
    return [replace(job, extended=False), job] if compare else [job]


def _parse(name: str, text: str) -> float:
    try:
        return RANGES[name].parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; leave it empty for the model's own.") from error
