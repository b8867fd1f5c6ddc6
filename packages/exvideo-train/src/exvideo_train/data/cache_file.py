"""Files of a cache: safetensors, each there whole or not at all, and known by the header alone to be so."""

import errno
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exvideo_blocks import write_safetensors
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exvideo_train.errors import UserError


def write_cached(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes tensors in fp16.

    Raises:
        UserError: the folder cannot be written to, or its disk is full.
    """
    halves = {name: value.half() for name, value in tensors.items()}
    try:
        write_safetensors(path, halves, metadata)
    except OSError as error:
        raise unwritable(path.parent, sum(value.nbytes for value in halves.values()), error) from error


def metadata_of(path: Path) -> dict[str, str] | None:
    """The metadata of a file that is as long as its header says; the tensors are not read. None if there is none.

    A damaged file is told and removed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = _header_in(file.read(length), size) if 2 <= length <= size - 8 else None
    except FileNotFoundError:
        return None
    if header is None:
        print(f"The cached file {path} is damaged: it is made anew.", file=sys.stderr)
        path.unlink(missing_ok=True)
        return None
    return {str(name): str(value) for name, value in header.get("__metadata__", {}).items()}


def _header_in(text: bytes, size: int) -> dict[str, Any] | None:
    """The header of a file of `size` bytes; None if it is damaged, or the file is not as long as it says."""
    try:
        header: dict[str, Any] = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return header if size == 8 + len(text) + max(ends, default=0) else None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file whose tensors are read one by one, or in slices.

    Raises:
        ValueError: at entry or within; it is missing or damaged.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file: start again to encode what is missing from the cache.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}): remove it, and start again to encode it.") from error


def unwritable(folder: Path, needed: int, error: OSError) -> UserError:
    """The sentence for a folder of a cache in which `needed` bytes could not be written."""
    way_out = "or name another folder as data.cache."
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The folder {folder} cannot be written to ({error.strerror}): mend that, {way_out}")
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return UserError(
        f"The folder {folder} is full: a file needs {needed:,} bytes, and {free:,} are free: make room, {way_out}"
    )
