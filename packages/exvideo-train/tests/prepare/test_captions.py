"""Captions by file and scene, frame or time."""

import json
from pathlib import Path
from typing import Any

import pytest
from exvideo_train.errors import UserError
from exvideo_train.prepare.analysis import Analysis
from exvideo_train.prepare.captions import Captions, read_captions
from exvideo_train.prepare.scenes import Rules, find_scenes

# Scenes of a: 0 to 9, 10 to 19, 20 to 29; of b: 0 to 9.
ENDS = ([0.0] * 9 + [0.9]) * 3


@pytest.fixture
def films(tmp_path: Path) -> dict[Path, Analysis]:
    def film(count: int) -> Analysis:
        return Analysis(5.0, 48, 64, tuple(ENDS[:count]), (0.5,) * count, (0.1,) * count)

    (tmp_path / "sub").mkdir()
    return {tmp_path / "a.mp4": film(30), tmp_path / "sub" / "b.mp4": film(10)}


def read(films: dict[Path, Analysis], rows: list[dict[str, Any]], name: str = "captions.jsonl") -> Captions:
    path = next(iter(films)).parent / name
    if path.suffix == ".csv":
        names = list(dict.fromkeys(key for row in rows for key in row))
        lines = [",".join(names), *(",".join(str(row.get(key, "")) for key in names) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    scenes = [scene for file, found in films.items() for scene in find_scenes(file, found, Rules(min_frames=1))]
    return read_captions(path, films, scenes)


def of_scenes(captions: Captions, films: dict[Path, Analysis]) -> list[str | None]:
    a, b = films
    return [captions.of(a, start, start + 10) for start in (0, 10, 20)] + [captions.of(b, 0, 10)]


@pytest.mark.parametrize("name", ["captions.jsonl", "captions.csv"])
def test_rows_by_scene_time_frame_and_file(films: dict[Path, Analysis], name: str) -> None:
    by_scene = [{"file": "a.mp4", "scene": 2, "caption": "two"}, {"file": "sub/b.mp4", "text": " all of b "}]
    assert of_scenes(read(films, by_scene, name), films) == [None, "two", None, "all of b"]
    by_time = [{"file": "a.mp4", "time": 4.2, "caption": "later"}, {"file": "a.mp4", "time": 0, "caption": "first"}]
    assert of_scenes(read(films, by_time, name), films) == ["first", "first", "later", None]
    by_frame = [{"file": "a.mp4", "start": 10, "end": 20, "caption": "mid"}, {"file": "a.mp4", "caption": "rest"}]
    assert of_scenes(read(films, by_frame, name), films) == ["rest", "mid", "rest", None]


def test_a_file_is_known_by_its_name_alone_or_its_whole_path(films: dict[Path, Analysis]) -> None:
    a, _ = films
    rows = [{"file": str(a), "caption": "whole"}, {"file": "b.mp4", "caption": "name"}]
    assert of_scenes(read(films, rows), films) == ["whole", "whole", "whole", "name"]


def test_the_list_that_is_written_can_be_read(films: dict[Path, Analysis]) -> None:
    rows = [{"file": "a.mp4", "start": 20, "end": 30, "split": "validation", "fps": 5, "caption": "end"}]
    assert of_scenes(read(films, rows), films) == [None, None, "end", None]


def test_rows_that_no_clip_is_given_are_known(films: dict[Path, Analysis]) -> None:
    captions = read(films, [{"file": "a.mp4", "scene": n, "caption": "c"} for n in (1, 2, 3)])
    captions.of(next(iter(films)), 10, 20)
    assert captions.unused == [1, 3]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"file": "c.mp4", "caption": "c"}, r"its file is 'c\.mp4', and no file of the footage is that: give the path"),
        ({"caption": "c"}, r"its file is None: give the path or the name of a video"),
        ({"file": "a.mp4"}, r"its caption is None: make it text"),
        ({"file": "a.mp4", "caption": 3}, r"its caption is 3: make it text"),
        ({"file": "a.mp4", "caption": "c", "scene": 4}, r"its scene is 4, and .*a\.mp4 has 3: give a number from 1 on"),
        ({"file": "a.mp4", "caption": "c", "scene": 0}, r"its scene is 0, and .*a\.mp4 has 3: give a number from 1 on"),
        ({"file": "a.mp4", "caption": "c", "time": -1}, r"its time is -1: give seconds from the beginning"),
        ({"file": "a.mp4", "caption": "c", "time": 6}, r"it begins at frame 30, and .*a\.mp4 has 30: mend the place"),
        ({"file": "a.mp4", "caption": "c", "start": 9, "end": 9}, r"it starts at frame 9 and ends at 9: the end is"),
        ({"file": "a.mp4", "caption": "c", "start": 9, "time": 1}, r"it has start, time: give a scene, a time, or"),
        ({"file": "a.mp4", "caption": "c", "scene": 1, "end": 9}, r"it has scene, end: give a scene, a time, or"),
        ({"file": "a.mp4", "caption": "c", "second": 1}, r"the column 'second' is not known: give caption, end, file"),
    ],
)
def test_a_wrong_row_is_told_with_its_number(films: dict[Path, Analysis], row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=rf"^--captions: row 2 of .*captions\.jsonl: {told}"):
        read(films, [{"file": "a.mp4", "caption": "fine"}, row])


def test_two_rows_for_the_same_frames_are_refused(films: dict[Path, Analysis]) -> None:
    rows = [{"file": "a.mp4", "scene": 1, "caption": "one"}, {"file": "a.mp4", "start": 2, "caption": "two"}]
    with pytest.raises(UserError, match=r"rows 1 and 2 of .* are both of frame 5 of .*a\.mp4: leave one out\."):
        read(films, rows).of(next(iter(films)), 0, 10)
