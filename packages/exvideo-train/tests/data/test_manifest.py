"""Lists of clips in place of a folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_train.cli import main
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.data import find_all_clips
from exvideo_train.data.dataset import Clip
from exvideo_train.data.manifest import Entry, read_manifest
from exvideo_train.data.sources import check_folders
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]
ROWS: list[dict[str, Any]] = [
    {"file": "train/clip0.mp4", "caption": "a red circle"},
    {"file": "train/clip1.mp4", "start": 2, "end": 13, "fps": 12.5, "split": "train"},
    {"file": "held_out/clip0.mp4", "split": "val", "caption": "a blue circle"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def folder(footage: Path, tmp_path: Path) -> Path:
    for name in ("train", "held_out"):
        (tmp_path / name).symlink_to(footage / name)
    return tmp_path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".json"])
def test_rows_are_read(folder: Path, suffix: str) -> None:
    path = write(folder / f"metadata{suffix}", ROWS)
    assert read_manifest("data.videos", path, "train") == [
        Entry(folder / "train/clip0.mp4", caption="a red circle"),
        Entry(folder / "train/clip1.mp4", 2, 13, None, 12.5),
    ]
    held_out = read_manifest("validation.videos", path, "validation")
    assert held_out == [Entry(folder / "held_out/clip0.mp4", caption="a blue circle")]


def test_the_authors_list_is_read(folder: Path) -> None:
    """As ExVideo's training script takes it: `path`, and `text` where there is any."""
    path = write(folder / "metadata.json", [{"path": "train/clip0.mp4", "text": "a red circle"}])
    assert read_manifest("data.videos", path, "train") == [Entry(folder / "train/clip0.mp4", caption="a red circle")]


def test_clips_are_cut_from_the_stretches(make_config: MakeConfig, folder: Path) -> None:
    path = write(folder / "metadata.jsonl", ROWS)
    config = load_config(make_config(**{"data.videos": str(path), "validation.videos": str(path)}))
    training, held_out, skips = find_all_clips(config)
    assert [(clip.name_in(folder), clip.fps, clip.caption) for clip in training] == [
        ("train/clip0.mp4@0", 8.0, "a red circle"),
        ("train/clip0.mp4@2", 8.0, "a red circle"),
        ("train/clip0.mp4@4", 8.0, "a red circle"),
        ("train/clip1.mp4@2", 12.5, None),
    ]
    assert [clip.name_in(folder) for clip in held_out] == ["held_out/clip0.mp4@0"]
    assert skips == []


def test_a_run_of_a_list_is_the_run_of_its_folder(
    make_config: MakeConfig, runs: Any, footage: Path, folder: Path
) -> None:
    rows = [{"file": str(path)} for path in sorted((footage / "train").iterdir())]
    path = write(folder / "list.jsonl", rows)
    steps: dict[str, Any] = {"optimizer.steps": 2}
    assert main(["--config", str(make_config("of_folder", **steps))]) == 0
    assert main(["--config", str(make_config("of_list", **steps, **{"data.videos": str(path)}))]) == 0
    runs.assert_same_end("of_folder", "of_list", 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file": "absent.mp4"}, r"row 2 of .*: there is no file .*absent\.mp4: mend the path, or remove the row\.$"),
        ({"caption": "a"}, r"its file is None: give the path of a video"),
        ({"file": "train/clip2.mp4", "begin": 3}, r"the column 'begin' is not known: give caption, end, file, "),
        ({"file": "train/clip2.mp4", "path": "b"}, r"the column file is there twice, as path too"),
        ({"file": "train/clip2.mp4", "start": 2.5}, r"its start is 2\.5: give a whole number, counted from 0"),
        ({"file": "train/clip2.mp4", "start": -1}, r"its start is -1: give a whole number"),
        ({"file": "train/clip2.mp4", "end": "soon"}, r"its end is 'soon': give a whole number"),
        ({"file": "train/clip2.mp4", "start": 9, "end": 9}, r"it starts at frame 9 and ends at 9: the end is later"),
        ({"file": "train/clip2.mp4", "fps": 0}, r"its fps is 0: give frames a second"),
        ({"file": "train/clip2.mp4", "split": "dev"}, r"its split is 'dev': give train or validation"),
        ({"file": "train/clip2.mp4", "caption": 3}, r"its caption is 3: make it text"),
    ],
)
def test_a_row_that_is_wrong_is_named(folder: Path, row: dict[str, Any], message: str) -> None:
    path = write(folder / "metadata.jsonl", [ROWS[0], row])
    with pytest.raises(UserError, match=message):
        read_manifest("data.videos", path, "train")


@pytest.mark.parametrize("content", ["{", '{"file": "a.mp4"}\n[]', '"a.mp4"'])
def test_what_is_no_list_is_refused(folder: Path, content: str) -> None:
    (folder / "metadata.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"data\.videos: .*metadata\.jsonl (cannot be read|is no list of rows)"):
        read_manifest("data.videos", folder / "metadata.jsonl", "train")


def test_a_split_without_rows_a_clip_in_two_rows_and_a_row_beyond_the_end(
    make_config: MakeConfig, folder: Path
) -> None:
    path = write(folder / "metadata.jsonl", ROWS[:2])
    with pytest.raises(UserError, match=r"no row of .* is of the split 'validation'"):
        find_all_clips(load_config(make_config(**{"data.videos": str(path), "validation.videos": str(path)})))
    config = load_config(make_config(**{"data.videos": str(path)}))
    write(path, [ROWS[0], ROWS[0]])
    with pytest.raises(UserError, match=r"clip0\.mp4 from frame 0 is in two rows"):
        find_all_clips(config)
    write(path, [ROWS[0], {"file": "train/clip1.mp4", "end": 500}])
    training, _, skips = find_all_clips(config)
    assert len(training) == 3
    assert skips[0].reason.endswith("clip1.mp4 has 14 frames, and its row asks for 0 to 500.")


def test_a_file_of_both_splits_is_refused(make_config: MakeConfig, folder: Path) -> None:
    rows = [{"file": "train/clip0.mp4"}, {"file": "train/clip0.mp4", "split": "validation"}]
    path = str(write(folder / "metadata.csv", rows))
    config = make_config(base="no/such/base", **{"data.videos": path, "validation.videos": path})
    assert main(["--config", str(config)]) == 2


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize(("end", "start", "shared"), [(12, 12, False), (14, 12, True), (None, 12, True)])
def test_a_frame_is_trained_on_or_held_out(
    make_config: MakeConfig,
    clip_writer: Callable[..., Path],
    folder: Path,
    end: int | None,
    start: int,
    shared: bool,
    copied: bool,
) -> None:
    clip_writer(folder / "long.mp4", frames=30)
    shutil.copy(folder / "long.mp4", folder / "copy.mp4")
    rows = [
        {"file": "long.mp4", "start": 0, "end": end},
        {"file": "copy.mp4" if copied else "long.mp4", "start": start, "end": 28, "split": "validation"},
    ]
    path = str(write(folder / "metadata.jsonl", rows))
    config = load_config(make_config(**{"data.videos": path, "validation.videos": path}))
    if shared:
        with pytest.raises(UserError, match="held-out clips are never trained on"):
            find_both(config)
    else:
        training, held_out = find_both(config)
        assert [clip.start for clip in training] == [0, 2]
        assert [clip.start for clip in held_out] == [12]


def find_both(config: TrainConfig) -> tuple[list[Clip], list[Clip]]:
    check_folders(config)
    return find_all_clips(config)[:2]
