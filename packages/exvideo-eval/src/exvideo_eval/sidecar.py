"""Files beside a video: the caption it was made from, and in the tiny world the truth it has to show.

`<stem>.json` may hold "caption"; with "format": "exvideo.tiny_world/1" it is of the tiny world and also holds the
clip's "spec". `<stem>.txt`, where there is no other caption, is one. Endings may be in capitals.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIDECAR_ENDINGS = (".json", ".JSON", ".txt", ".TXT")
TINY_WORLD = "exvideo.tiny_world/1"


class SidecarError(ValueError):
    """A sidecar that cannot be read: `path` is the file, `reason` one clause that says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}: write it again or remove it.")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Sidecar:
    """`caption`: None if there is none. `content`: the object in the JSON file; empty without one."""

    caption: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_tiny_world(self) -> bool:
        """True if it says that its clip is of the tiny world."""
        return self.content.get("format") == TINY_WORLD


def read_sidecar(video: Path) -> Sidecar:
    """The sidecar of a video; an empty `Sidecar` if none lies beside it.

    Raises:
        SidecarError: a file is there and is no text or no JSON.
    """
    content = _read_json(beside(video, ".json"))
    caption = content.get("caption")
    if not isinstance(caption, str):
        caption = _read_text(beside(video, ".txt"))
    return Sidecar((caption or "").strip() or None, content)


def beside(video: Path, ending: str) -> Path:
    """The place of a video's sidecar of an ending in small letters; in capitals if only such a file is there."""
    small, large = video.with_suffix(ending), video.with_suffix(ending.upper())
    return large if large.is_file() and not small.is_file() else small


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is no such file, or if it holds something else."""
    text = _read_text(path)
    try:
        content = {} if text is None else json.loads(text)
    except ValueError as error:
        raise SidecarError(path, f"is not JSON ({error})") from error
    return content if isinstance(content, dict) else {}


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, ValueError) as error:
        raise SidecarError(path, f"cannot be read ({error})") from error
