"""Requests as they come over the network: what they ask for, and the picture that they bring."""

import base64
import binascii
import json
import tempfile
from pathlib import Path
from typing import Any

from exvideo_infer.jobs.job import Job, check_text
from exvideo_infer.jobs.job_list import job_of

UPLOADS = ".uploads"


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
    for name in ("continues", "video", "name"):
        if isinstance(values, dict) and values.get(name) is not None:  # a file of the server's, not of the client's
            raise ValueError(f"{name} names a file, which a request cannot: leave it out, or use exvideo-generate.")
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
