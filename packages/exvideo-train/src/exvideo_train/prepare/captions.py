"""Captions from a list, a row for a whole file, for a scene of it, or from a time on.

Columns of the .jsonl, .csv or .json: `file`, `caption` (or `text`), and one of `scene` (a number, from 1), `start` with
or without `end` (frames) and `time` (seconds). A row with a start or a time but no end holds to the next such row of
its file. So the list that is written here can be read again, its captions mended; `split` and `fps` are not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from exvideo_train.data.manifest import read_rows, whole_number
from exvideo_train.errors import UserError
from exvideo_train.prepare.analysis import Analysis
from exvideo_train.prepare.scenes import Scene

KEY = "--captions"
KEPT = "The list that is there"
_NAMES = {"text": "caption", "path": "file", "file_name": "file"}
_COLUMNS = {"file", "caption", "scene", "start", "end", "time", "split", "fps"}


@dataclass(frozen=True)
class Row:
    """A caption, and the frames that it is of.

    Args:
        number: of the row in the list, from 1.
        path: of the file.
        caption: never empty.
        start, end: frames; of the whole file if there is no start, to the next row's start if there is no end.
    """

    number: int
    path: Path
    caption: str
    start: int | None = None
    end: int | None = None


class Captions:
    """The captions of a list.

    Args:
        rows: as `read_captions` gives them.
        path: of the list.
        key: the name of the list in errors.
    """

    def __init__(self, rows: Sequence[Row], path: Path, key: str = KEY) -> None:
        self._path, self._key = path, key
        self._rows: dict[Path, list[Row]] = {}
        for row in sorted(rows, key=lambda row: -1 if row.start is None else row.start):
            self._rows.setdefault(row.path, []).append(row)
        self.used: set[int] = set()

    def of(self, path: Path, start: int, end: int) -> str | None:
        """The caption of the frame in the middle of a stretch; a whole file's where no other row is of it.

        Raises:
            UserError: two rows are of it.
        """
        rows = self._rows.get(path, [])
        placed = [row for row in rows if row.start is not None]
        middle = (start + end) // 2
        found = [
            row
            for row, later in pairwise([*placed, None])
            if row is not None and row.start is not None and row.start <= middle < _end(row, later)
        ]
        found = found or [row for row in rows if row.start is None]
        if len(found) > 1:
            raise UserError(
                f"{self._key}: rows {found[0].number} and {found[1].number} of {self._path} are both of frame "
                f"{middle} of {path}: leave one out."
            )
        self.used |= {row.number for row in found}
        return found[0].caption if found else None

    @property
    def unused(self) -> list[int]:
        """Numbers of rows that no stretch was given."""
        return sorted({row.number for rows in self._rows.values() for row in rows} - self.used)

    @property
    def texts(self) -> set[str]:
        """All of them."""
        return {row.caption for rows in self._rows.values() for row in rows}


def read_captions(path: Path, analyses: Mapping[Path, Analysis], scenes: Sequence[Scene]) -> Captions:
    """Reads a list.

    Args:
        path: of the list.
        analyses: of the files that it may name: by their paths, from the list's own folder on, or by their names alone.
        scenes: of these files.

    Raises:
        UserError: the list cannot be read, or a row is not as it must be.
    """
    rows = []
    for number, values in enumerate(read_rows(KEY, path), start=1):
        try:
            rows.append(_row(number, _columns(values), path.parent, analyses, scenes))
        except ValueError as error:
            raise UserError(f"{KEY}: row {number} of {path}: {error}.") from error
    return Captions(rows, path)


def read_kept(path: Path, analyses: Mapping[Path, Analysis], known: Mapping[str, Any]) -> tuple[Captions, set[str]]:
    """Captions of the list that an earlier run left, which a person may have mended.

    Args:
        path: of the list.
        analyses: of the footage.
        known: as that run noted it: `beside`, the captions in files beside the footage, of which a row that says the
            same is a copy and not taken; `clips`, the place in the footage of each clip that was cut.

    Returns:
        The captions, and those of what is not in the footage any more.

    Raises:
        UserError: the list cannot be read.
    """
    files = {str(file.resolve()): file for file in analyses}
    beside, cut = known.get("beside", {}), known.get("clips", {})
    rows, strays = [], set()
    for number, row in enumerate(read_rows(KEPT, path), start=1):
        values = {_NAMES.get(str(column), str(column)): value for column, value in row.items()}
        caption, name = values.get("caption"), str(values.get("file"))
        place = cut.get(name, {**values, "file": str((path.parent / name).resolve())})
        if not isinstance(caption, str) or not caption.strip() or caption == beside.get(place["file"]):
            continue
        file, start, end = files.get(place["file"]), place.get("start"), place.get("end")
        if file is None or not isinstance(start, int) or not isinstance(end, int) or end > analyses[file].num_frames:
            strays.add(caption.strip())
        else:
            rows.append(Row(number, file, caption.strip(), start, end))
    return Captions(rows, path, KEPT), strays


def _end(row: Row, later: Row | None) -> float:
    if row.end is not None:
        return row.end
    return float("inf") if later is None or later.start is None else later.start


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    given = {}
    for name, value in values.items():
        column = _NAMES.get(str(name), str(name))
        if column not in _COLUMNS:
            raise ValueError(f"the column {name!r} is not known: give {', '.join(sorted(_COLUMNS))}")
        if value not in (None, ""):
            given[column] = value
    return given


def _row(
    number: int, values: dict[str, Any], folder: Path, analyses: Mapping[Path, Analysis], scenes: Sequence[Scene]
) -> Row:
    path = _file(values.get("file"), folder, list(analyses))
    caption = values.get("caption")
    if not isinstance(caption, str) or not caption.strip():
        raise ValueError(f"its caption is {caption!r}: make it text")
    places = [name for name in ("scene", "start", "time") if name in values]
    if len(places) > 1 or ("end" in values and places != ["start"]):
        given = ", ".join(name for name in ("scene", "start", "end", "time") if name in values)
        raise ValueError(f"it has {given}: give a scene, a time, or a start with or without an end")
    if "scene" in values:
        scene = whole_number("scene", values["scene"])
        spans = [(found.start, found.end) for found in scenes if (found.path, found.number) == (path, scene)]
        if not spans:
            count = sum(found.path == path for found in scenes)
            raise ValueError(f"its scene is {scene}, and {path} has {count}: give a number from 1 on")
        return Row(number, path, caption.strip(), *spans[0])
    start = None
    if "time" in values:
        start = _frame(values["time"], analyses[path].fps)
    elif "start" in values:
        start = whole_number("start", values["start"])
    if start is not None and start >= analyses[path].num_frames:
        raise ValueError(f"it begins at frame {start}, and {path} has {analyses[path].num_frames}: mend the place")
    end = whole_number("end", values["end"]) if "end" in values else None
    if end is not None and start is not None and end <= start:
        raise ValueError(f"it starts at frame {start} and ends at {end}: the end is later, and not included")
    return Row(number, path, caption.strip(), start, end)


def _file(name: Any, folder: Path, paths: Sequence[Path]) -> Path:
    if not isinstance(name, str):
        raise ValueError(f"its file is {name!r}: give the path or the name of a video")
    place = (folder / Path(name).expanduser()).resolve()
    found = [path for path in paths if path.resolve() == place] or [path for path in paths if path.name == name]
    if len(found) != 1:
        count = "no file" if not found else f"{len(found)} files"
        raise ValueError(f"its file is {name!r}, and {count} of the footage is that: give the path of one")
    return found[0]


def _frame(value: Any, fps: float) -> int:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if isinstance(value, bool) or not 0 <= seconds < float("inf"):
        raise ValueError(f"its time is {value!r}: give seconds from the beginning of the file")
    return round(seconds * fps)
