"""Lists of clips: metadata.jsonl, metadata.csv, or metadata.json of the authors' code; a row is a stretch of a file.

Columns: `file` (or `path`, `file_name`), under the list's own folder unless it is absolute; and, where they are wanted,
`caption` (or `text`), `start` and `end` in frames, the end not included, `fps`, and `split`: "train" or "validation".
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvideo_train.errors import UserError

SUFFIXES = {".jsonl", ".csv", ".json"}
TRAINING, HELD_OUT = "train", "validation"
_NAMES = {"path": "file", "file_name": "file", "text": "caption"}
_COLUMNS = {"file", "caption", "start", "end", "fps", "split"}
_SPLITS = {"": TRAINING, "train": TRAINING, "training": TRAINING, "validation": HELD_OUT, "val": HELD_OUT}


@dataclass(frozen=True)
class Entry:
    """A stretch of a video file that clips are cut from.

    Args:
        path: of the file.
        start, end: frames of the file, the end not included; None for all that there are.
        caption: None for what lies beside the file.
        fps: frames a second; None for the file's own.
    """

    path: Path
    start: int = 0
    end: int | None = None
    caption: str | None = None
    fps: float | None = None


def is_manifest(path: Path) -> bool:
    """True for a file that is a list of clips, by its suffix."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_manifest(key: str, path: Path, split: str) -> list[Entry]:
    """The rows of a split, in their order. Rows that name no split are trained on.

    Args:
        key: of the list in the configuration.
        path: of the list.
        split: `TRAINING` or `HELD_OUT`.

    Raises:
        UserError: the list cannot be read, a row is not as it must be or names a file that is missing, or no row is of
            the split.
    """
    entries = []
    for number, row in enumerate(read_rows(key, path), start=1):
        try:
            entry, own_split = _entry(row, path.parent)
        except ValueError as error:
            raise UserError(f"{key}: row {number} of {path}: {error}.") from error
        if own_split == split:
            entries.append(entry)
    if not entries:
        raise UserError(f"{key}: no row of {path} is of the split {split!r}: give one in its column split.")
    return entries


def read_rows(key: str, path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a list as they are written.

    Args:
        key: of the list, for errors.
        path: of the list.

    Raises:
        UserError: the list cannot be read, or is no list of rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            rows: Any = list(csv.DictReader(io.StringIO(text), strict=True))
        elif path.suffix.lower() == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = json.loads(text)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{key}: {path} cannot be read ({' '.join(str(error).split())}): mend the list.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{key}: {path} is no list of rows: give an object a clip, such as {{'file': 'a.mp4'}}.")
    yield from rows


def _entry(row: dict[str, Any], folder: Path) -> tuple[Entry, str]:
    values: dict[str, Any] = {}
    for name, value in row.items():
        column = _NAMES.get(str(name), str(name))
        if column not in _COLUMNS:
            raise ValueError(f"the column {name!r} is not known: give {', '.join(sorted(_COLUMNS))}")
        if column in values:
            raise ValueError(f"the column {column} is there twice, as {name} too: leave one out")
        if value not in (None, ""):
            values[column] = value
    if not isinstance(values.get("file"), str):
        raise ValueError(f"its file is {values.get('file')!r}: give the path of a video")
    path = folder / Path(values["file"]).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}: mend the path, or remove the row")
    caption = values.get("caption")
    if caption is not None and not isinstance(caption, str):
        raise ValueError(f"its caption is {caption!r}: make it text")
    start, end = whole_number("start", values.get("start", 0)), values.get("end")
    end = None if end is None else whole_number("end", end)
    if end is not None and end <= start:
        raise ValueError(f"it starts at frame {start} and ends at {end}: the end is later, and not included")
    split = str(values.get("split", "")).strip().lower()
    if split not in _SPLITS:
        raise ValueError(f"its split is {values['split']!r}: give {TRAINING} or {HELD_OUT}")
    text = None if caption is None else caption.strip() or None
    return Entry(path, start, end, text, _rate(values.get("fps"))), _SPLITS[split]


def whole_number(name: str, value: Any) -> int:
    """A frame or another count from 0 on, as a list has it; raises ValueError if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or number < 0 or number != int(number):
        raise ValueError(f"its {name} is {value!r}: give a whole number, counted from 0")
    return int(number)


def _rate(value: Any) -> float | None:
    if value is None:
        return None
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = 0.0
    if isinstance(value, bool) or not 0 < rate < 10_000:
        raise ValueError(f"its fps is {value!r}: give frames a second")
    return rate
