"""Files and folders that appear only when they are whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exvideo_infer.video_file.kinds import VideoError, writing


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`, which becomes `path` at the end, or is gone; it may be a folder's."""
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}.tmp")  # within the 255 bytes of a name
    try:
        yield temporary
        with writing(path):
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def check_place(path: Path, is_folder: bool = False) -> None:
    """Raises VideoError if `path` could not be written as a file, or as a new folder: to be asked before long work."""
    with writing(path):
        if path.is_dir() and not is_folder:
            raise VideoError(f"{path} is a folder: give the name of a file.")
        if is_folder and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise VideoError(
                f"{path} is there already, and PNG frames need a new folder: give another name, or a suffix."
            )
        if not path.parent.is_dir():
            raise VideoError(f"{path} cannot be written: there is no folder {path.parent}, so create it first.")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
