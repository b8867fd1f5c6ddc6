"""One JSON object in the comment of a file: what made it, so that it can be made again."""

import json
import os
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
from PIL import Image

from exvideo_infer.video_file.kinds import VideoError

DESCRIPTION = 0x010E  # Exif's ImageDescription
PNG_KEYWORD = "Comment"


def to_comment(metadata: Mapping[str, Any] | None, path: str | Path) -> str | None:
    """Metadata as the text that is written: JSON in ASCII, which every format can hold.

    Raises:
        VideoError: it is no JSON object.
    """
    if metadata is None:
        return None
    try:
        return json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise VideoError(f"The metadata for {path} cannot be written as JSON ({error}): give plain values.") from error


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Reads what `write_video` was given as `metadata`.

    Args:
        path: a file of any format that `write_video` writes, or a folder of PNG frames.

    Raises:
        VideoError: the file is missing, cannot be read, or has no such metadata.
    """
    path = Path(path)
    if not path.exists():
        raise VideoError(f"{path} does not exist.")
    try:
        text = _comment_of_picture(path) or _comment_of_video(path)
        metadata = json.loads(text)
    except ValueError:  # JSON's own, and Pillow's of a damaged file
        metadata = None
    if not isinstance(metadata, dict):
        raise VideoError(f"{path} does not say how it was made: metadata is in files of exvideo-generate alone.")
    return metadata


def _comment_of_picture(path: Path) -> str:
    """The comment of a PNG, GIF or WebP, or of the first PNG of a folder; empty for files that are none."""
    if path.is_dir():
        path = min(path.glob("*.png"), default=path)
    try:
        with Image.open(path) as picture:
            if picture.format == "GIF":
                return bytes(picture.info.get("comment", b"")).decode("ascii", "replace")
            if picture.format == "WEBP":
                return str(picture.getexif().get(DESCRIPTION, ""))
            return str(picture.info.get(PNG_KEYWORD, ""))
    except (OSError, SyntaxError):
        return ""


def _comment_of_video(path: Path) -> str:
    if path.is_dir():
        return ""
    try:
        with av.open(str(path.absolute())) as container:
            return next((value for name, value in container.metadata.items() if name.lower() == "comment"), "")
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video, or is damaged or cut short: {error.strerror}.") from error


def add_to_gif(path: Path, comment: str) -> None:
    """Puts a comment extension (GIF89a, section 24) before the first frame, where readers look first."""
    text = comment.encode("ascii")
    blocks = b"".join(bytes([len(part)]) + part for part in (text[at : at + 255] for at in range(0, len(text), 255)))
    longer = path.with_name(f"{path.name}.tmp")
    try:
        with path.open("rb") as source, longer.open("wb") as target:
            header = source.read(13)
            colours = 3 << (header[10] % 8 + 1) if header[10] & 0x80 else 0
            target.write(header + source.read(colours) + b"\x21\xfe" + blocks + b"\0")
            shutil.copyfileobj(source, target)
        os.replace(longer, path)
    finally:
        longer.unlink(missing_ok=True)


def add_to_webp(path: Path, comment: str) -> None:
    """Puts an EXIF chunk behind the frames, and its flag in the header (RFC 9649, section 2.7)."""
    exif = Image.Exif()
    exif[DESCRIPTION] = comment
    with Image.open(path) as picture:
        width, height = picture.size
    with path.open("r+b") as file:
        if file.read(16)[12:] != b"VP8X":  # a single frame
            file.seek(12)
            frames = file.read()
            sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            file.seek(12)
            file.write(_chunk(b"VP8X", bytes(4) + sides) + frames)
        file.seek(20)
        flags = file.read(1)[0] | 0x08
        file.seek(20)
        file.write(bytes([flags]))
        file.seek(0, os.SEEK_END)
        file.write(_chunk(b"EXIF", exif.tobytes().removeprefix(b"Exif\0\0")))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
