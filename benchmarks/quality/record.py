"""The record of a row: all that decided its clips, under which alone it is gone on with and judged."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import exvideo_infer
from exvideo_eval.machine import cpu_name

from benchmarks.quality.files import locked, read_json, write_json
from benchmarks.quality.methods import SHIPPED, Method
from benchmarks.quality.protocol import EMBEDDED, paper_sha256
from tiny_world.truth.report import files_sha256

MADE = "made.json"
LIBRARIES = ("torch", "diffusers", "transformers")
_SHIPPED_FOLDER = Path(str(exvideo_infer.__file__)).with_name("embedded")
_EXTENSION = "extension.safetensors"


@lru_cache
def base_sha256(base: str) -> str:
    """SHA-256 (hex) of a base's weights and configurations; of the embedded one without its extension.

    Raises:
        ValueError: it is no folder with weights.
    """
    folder = _SHIPPED_FOLDER if base == EMBEDDED else Path(base)
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".safetensors", ".json")]
    names = [path.relative_to(folder).as_posix() for path in files if path != _SHIPPED_FOLDER / _EXTENSION]
    if not any(name.endswith(".safetensors") for name in names):
        raise ValueError(f"{base} is no folder of a base with weights in safetensors: give --base one.")
    return files_sha256(folder, names)


def weights_sha256(weights: str | Path | None) -> str | None:
    """SHA-256 (hex) of the file of what a method has trained; None of one that trains nothing.

    Raises:
        ValueError: the file is missing.
    """
    if weights is None:
        return None
    path = _SHIPPED_FOLDER / _EXTENSION if weights == SHIPPED else Path(weights)
    if not path.is_file():
        raise ValueError(f"{path} is missing, by which clips were or are to be made: train it, or put it back.")
    return _of_file(path, path.stat().st_mtime_ns)


@lru_cache
def _of_file(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def deciding(method: Method, num_frames: int, base: str, dtype: str) -> dict[str, Any]:
    """All that decides the clips of a method, beside first frames and seeds."""
    return {
        "base": base_sha256(base),
        "weights": weights_sha256(method.weights),
        "steps": method.steps(num_frames),
        "num_frames": num_frames,
        "dtype": dtype,
    }


def check(folder: Path, asked: Mapping[str, Any]) -> None:
    """Checks that the clips in a folder, if there are any, were made by what is asked for.

    Args:
        folder: of a row.
        asked: of `deciding`.

    Raises:
        ValueError: they were made by something else, or nobody knows by what.
    """
    if not (folder / MADE).exists() and not any(folder.glob("*.mp4")):
        return
    made = read_json(folder / MADE, _again(folder)).get("decided_by", {})
    for name, value in asked.items():
        if made.get(name) != value:
            raise ValueError(
                f"The clips in {folder} were made with {name} {made.get(name)}, and {name} is {value} now: remove that "
                "folder, or give --output another one."
            )


def note(folder: Path, asked: Mapping[str, Any]) -> None:
    """Keeps what decides a row's clips, and adds on what machine and under what protocol they are made."""
    found = {"cpu": cpu_name(), "protocol": paper_sha256(), **{name: version(name) for name in LIBRARIES}}
    with locked(folder / MADE):
        known = made_with(folder) if (folder / MADE).exists() else {}
        told = {name: list(dict.fromkeys((*known.get(name, ()), value))) for name, value in found.items()}
        write_json(folder / MADE, {"decided_by": dict(asked), "made_with": told})


def made_with(folder: Path) -> dict[str, list[str]]:
    """Machines, libraries and protocols that a row's clips were made with, each in the order of time.

    Raises:
        ValueError: that is not known.
    """
    told = read_json(folder / MADE, _again(folder)).get("made_with")
    if not isinstance(told, dict):
        raise ValueError(f"{folder / MADE} does not tell what its clips were made with: {_again(folder)}.")
    return told


def _again(folder: Path) -> str:
    return f"remove {folder}, and its clips are made again"
