"""Safetensors files with metadata, written so that a reader sees the old file or the whole new one."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

# How a file of torch.save begins: a zip archive today, a bare pickle before PyTorch 1.6.
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes tensors to a temporary name beside `path`, flushes it to disk and renames it.

    Raises:
        ValueError: the path is a folder.
        OSError: the folder cannot be written to, or its disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, where a file is to be written: give the path of a file in it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary, dict(metadata))
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        number = re.search(r"\(os error (\d+)\)", str(error)) if isinstance(error, SafetensorError) else None
        if number:  # safetensors hides the system's errors in its own
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file on the CPU, and its metadata.

    Raises:
        ValueError: the file is missing, a folder, empty, a pickle, truncated or not safetensors.
    """
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 not a dict


def read_metadata(path: str | Path) -> dict[str, str]:
    """Only the metadata of a safetensors file; the tensors are not read. Raises as `read_safetensors` does."""
    with _open(path) as file:
        return file.metadata() or {}


@contextmanager
def _open(path: str | Path) -> Iterator[safe_open]:
    _check_kind(Path(path))
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is truncated or not a safetensors file ({error}): copy or save it again.") from error


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path} is a folder, where a .safetensors file is wanted: give the path of the file in it.")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: give the path of a .safetensors file.")
    with open(path, "rb") as file:
        start = file.read(8)
    # In a safetensors file these eight bytes are the length of the header, and it may begin as a pickle does.
    is_too_long = int.from_bytes(start, "little") > path.stat().st_size - 8
    if start.startswith(_PICKLE_STARTS) and is_too_long:
        raise ValueError(
            f"{path} is a pickle of torch.save, which can run any code when it is read, and not a safetensors file: "
            "save its tensors with safetensors.torch.save_file, or ask its author to."
        )
