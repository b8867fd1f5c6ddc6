"""Things in a folder of clips that no reader opens."""

import os
from pathlib import Path

from exvideo_eval.video_reader.kinds import VideoReadError


def require_openable(path: Path) -> None:
    """Raises VideoReadError for a name that is not UTF-8, and for a folder: those are listed that cannot be read."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise VideoReadError(path.name, "has a name that is not UTF-8: rename it") from error
    if os.path.isdir(path):  # Path.is_dir raises where a folder above may not be entered
        raise VideoReadError(path.name, "is a folder that cannot be read: allow it, or take it out")
