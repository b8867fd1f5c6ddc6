"""Held-out clips are never trained on: neither by the folder, nor by a link, nor by a copy under another name."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import find_all_clips, video_encoder
from exvideo_train.data.sources import check_folders
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]


@pytest.fixture
def clips(footage: Path, tmp_path: Path) -> Path:
    """A folder with 3 files to train on, and a folder `val` in it with 4 that are held out."""
    shutil.copytree(footage / "train", tmp_path / "clips")
    (tmp_path / "clips" / "val").mkdir()
    for number in range(4):
        shutil.copy(footage / "held_out" / "clip0.mp4", tmp_path / "clips" / "val" / f"{number}.mp4")
    return tmp_path / "clips"


def test_a_folder_inside_the_other_is_refused_before_anything_is_loaded(
    make_config: MakeConfig, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config(base="no/such/base", **{"data.videos": str(clips), "validation.videos": str(clips / "val")})
    assert main(["--config", str(path)]) == 2
    told = capsys.readouterr().err
    files = ", ".join(str(clips / "val" / f"{number}.mp4") for number in range(3))
    assert told == (
        f"validation.videos ({clips / 'val'}) and data.videos ({clips}) share 4 files ({files} and 1 more): held-out "
        "clips are never trained on, so give two folders, neither inside the other, or rows that have no frame in "
        "common.\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("training", "held_out", "shared"),
    [
        ("clips", "clips", 7),
        ("clips/val", "clips", 4),
        ("clips", "clips/../clips/val", 4),
        ("clips", "link_to_val", 4),
        ("link_to_clips", "clips/val", 4),
        ("clips", "links", 1),
        ("links", "clips/val", 1),
    ],
)
def test_every_way_to_the_same_file_is_seen(
    make_config: MakeConfig, clips: Path, tmp_path: Path, training: str, held_out: str, shared: int
) -> None:
    (tmp_path / "link_to_val").symlink_to(clips / "val")
    (tmp_path / "link_to_clips").symlink_to("clips")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one.mp4").symlink_to(clips / "val" / "2.mp4")
    videos = {"data.videos": str(tmp_path / training), "validation.videos": str(tmp_path / held_out)}
    with pytest.raises(UserError, match=f" share {shared} files? "):
        check_folders(load_config(make_config(**videos)))


def test_folders_beside_each_other_are_fine(make_config: MakeConfig, footage: Path) -> None:
    videos = {"data.videos": str(footage / "train"), "validation.videos": str(footage / "held_out")}
    config = load_config(make_config(**videos))
    check_folders(config)
    training, held_out, skips = find_all_clips(config)
    assert (len(training), len(held_out), skips) == (9, 1, [])


@pytest.mark.parametrize("copy", [shutil.copy, os.link])
def test_the_same_bytes_under_another_name_are_refused_before_anything_is_encoded(
    make_config: MakeConfig,
    footage: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    copy: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(video_encoder, "iter_frames_at", None)
    shutil.copytree(footage / "train", tmp_path / "train")
    shutil.copytree(footage / "held_out", tmp_path / "held_out")
    copy(tmp_path / "train" / "clip1.mp4", tmp_path / "held_out" / "another.mp4")
    copy(tmp_path / "train" / "clip1.mp4", tmp_path / "train" / "twice.mp4")
    videos = {"data.videos": str(tmp_path / "train"), "validation.videos": str(tmp_path / "held_out")}
    for max_clips in (1, 100):  # a held-out file that is not looked at yet may be tomorrow
        path = make_config(**videos, **{"validation.max_clips": max_clips})
        assert main(["--config", str(path)]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"validation.videos and data.videos have the same bytes in 1 file ({tmp_path}/held_out/another.mp4 is "
            f"{tmp_path}/train/clip1.mp4): held-out clips are never trained on, so remove them from one of the two."
        )


def test_the_same_bytes_twice_in_training_are_no_error(make_config: MakeConfig, footage: Path, tmp_path: Path) -> None:
    shutil.copytree(footage / "train", tmp_path / "train")
    shutil.copy(tmp_path / "train" / "clip1.mp4", tmp_path / "train" / "twice.mp4")
    training, _, _ = find_all_clips(load_config(make_config(**{"data.videos": str(tmp_path / "train")})))
    assert len(training) == 12
