"""The content of a file in a word."""

import hashlib
from pathlib import Path

from exvideo_eval.video_reader.kinds import VideoReadError
from exvideo_eval.video_reader.openable import require_openable


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex digits.

    Raises:
        VideoReadError: it cannot be read, or its name is not UTF-8.
    """
    require_openable(path)
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise VideoReadError(path.name, f"cannot be read ({error.strerror or error})") from error
