"""The content of a file in a word."""

import hashlib
from pathlib import Path

from exvideo_eval.video_reader.kinds import VideoReadError


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex digits.

    Raises:
        VideoReadError: it cannot be read.
    """
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise VideoReadError(path.name, f"cannot be read ({error.strerror or error})") from error
