"""Requests as they come over the network, checked: their size, their fields, and what they ask for."""

import base64
import binascii
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvideo_infer.jobs.job import Clip, Job, check_text
from exvideo_infer.jobs.job_list import job_of

UPLOADS = ".uploads"


@dataclass(frozen=True)
class Limits:
    """The largest clip that a server makes, and requests that it holds.

    Args:
        pixels: height times width.
        frames, steps: of a clip.
        queue: clips that wait.
        body_bytes: of a request.
    """

    pixels: int = 1024 * 1024
    frames: int = 256
    steps: int = 100
    queue: int = 16
    body_bytes: int = 32 * 2**20

    def check(self, clip: Clip) -> None:
        """Raises ValueError for a clip that is larger."""
        settings = clip.settings
        for name, value, most in (
            ("height x width", settings["height"] * settings["width"], self.pixels),
            ("num_frames", settings["num_frames"], self.frames),
            ("steps", settings["num_inference_steps"], self.steps),
        ):
            if value > most:
                raise ValueError(f"{name} is {value}, and this server makes clips of up to {most}: ask for less.")


def read_job(body: bytes, folder: Path) -> tuple[Job, Path | None]:
    """The job of a request's body, and the file that its picture was put in.

    Args:
        body: JSON, an object with the keys of a row of `read_jobs`; `image` is a picture file in base64.
        folder: of the clips, in which the picture is kept until its clip is done.

    Raises:
        ValueError: it is no such object, or the picture cannot be read.
    """
    try:
        values: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError('The body is no JSON: send an object such as {"prompt": "a red circle bounces"}.') from error
    if not isinstance(values, dict) or values.get("image") is None:
        return job_of(values, folder, {}), None
    upload = _keep(values["image"], folder)
    try:
        return job_of(values | {"image": str(upload)}, folder, {}), upload
    except ValueError as error:
        upload.unlink()
        raise ValueError(str(error).replace(str(upload), "image")) from error


def _keep(image: Any, folder: Path) -> Path:
    check_text("image", image)
    text = image.partition(",")[2] if image.startswith("data:") else image
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("image is no base64: send a PNG or JPEG file so, with or without data:image/...,.") from error
    uploads = folder / UPLOADS
    uploads.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=uploads, delete=False) as file:
        file.write(content)
    return Path(file.name)
