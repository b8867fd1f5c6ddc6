"""A folder of clips: what is searched, what counts as one clip, and what is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.execution import Execution
from exvideo_eval.folder import clip_name, list_files
from exvideo_eval.sidecar import read_sidecar
from exvideo_eval.survey import survey


def test_subfolders_are_searched_and_links_followed_without_loops(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for path in ("clips/b/2.mp4", "clips/a/deep/1.mp4", "clips/0.mp4", "clips/.trash/old.mp4", "elsewhere/3.mp4"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    folder = tmp_path / "clips"
    (folder / "c").symlink_to(elsewhere)
    (folder / "a" / "round").symlink_to(folder)
    (elsewhere / "back").symlink_to(folder)
    found = [path.relative_to(folder).as_posix() for path in list_files("real", folder)]
    assert found == ["0.mp4", "a/deep/1.mp4", "b/2.mp4", "c/3.mp4"]


def test_sidecars_are_no_clips_but_lone_texts_are_named(tmp_path: Path) -> None:
    for name in ("sub/a.mp4", "sub/a.json", "sub/a.txt", "a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.relative_to(tmp_path).as_posix() for path in list_files("real", tmp_path)] == ["a.json", "sub/a.mp4"]


def test_sidecars_have_small_endings_or_capitals(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.TXT", "b.MP4", "b.txt", "c.mp4", "c.JSON", "d.TXT"):
        (tmp_path / name).write_text('{"caption": "a box"}' if name == "c.JSON" else f"caption of {name}")
    assert [path.name for path in list_files("real", tmp_path)] == ["a.mp4", "b.MP4", "c.mp4", "d.TXT"]
    captions = [read_sidecar(tmp_path / name).caption for name in ("a.mp4", "b.MP4", "c.mp4")]
    assert captions == ["caption of a.TXT", "caption of b.txt", "a box"]


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """clips/ with one file and a subfolder that cannot be read, as of another user."""
    (tmp_path / "clips" / "closed").mkdir(parents=True)
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return tmp_path / "clips"


def test_a_subfolder_that_cannot_be_read_is_listed_and_named(closed: Path) -> None:
    assert list_files("real", closed) == [closed / "a.mp4", closed / "closed"]
    with pytest.raises(ValueError, match=r"None of the 2 files .*; closed is a folder that cannot be read: allow it"):
        survey("real", closed, Execution())
    with pytest.raises(
        ValueError, match=r"real clips, .*closed, cannot be read \(Permission denied\): allow it, or give"
    ):
        list_files("real", closed / "closed")


def test_pipes_are_no_clips(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "pipe.mp4")
    assert [path.name for path in list_files("real", tmp_path)] == ["a.mp4"]


def test_a_clip_s_name_has_its_folders_and_no_ending(tmp_path: Path) -> None:
    assert clip_name(tmp_path, tmp_path / "street" / "c1.v2.mp4") == "street/c1.v2"


def test_two_videos_of_one_name_are_refused_by_name(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    for name in ("c1.mp4", "c1.mkv", "c2.mp4", "sub/c1.mp4"):
        write_video(tmp_path / name, moving_clip(0))
    with pytest.raises(ValueError, match=r"Two generated clips are called 'c1', \S*c1\.mkv and \S*c1\.mp4: .*rename"):
        list_files("generated", tmp_path)
    (tmp_path / "c1.mkv").write_bytes(b"no video, as a picture or a list beside a clip is none")
    assert len(list_files("generated", tmp_path)) == 4
