import os
from pathlib import Path

import pytest
from exvideo_train.data.dataset import Clip, Skip, cut_clips, find_files, require_clips
from exvideo_train.data.manifest import Entry
from exvideo_train.data.scan import VideoFile, scan
from exvideo_train.data.sharing import Alone
from exvideo_train.errors import UserError


def clips_of(folder: Path, memory: Path, num_frames: int, clip_stride: int) -> tuple[list[Clip], list[Skip]]:
    paths = find_files("data.videos", folder)
    files, _ = scan(paths, memory, Alone())
    return cut_clips([Entry(path) for path in paths], files, num_frames, clip_stride)


def test_clips_of_a_folder_in_order(footage: Path, tmp_path: Path) -> None:
    clips, skips = clips_of(footage / "train", tmp_path, num_frames=10, clip_stride=2)
    assert [(clip.path.name, clip.start) for clip in clips] == [
        (f"clip{i}.mp4", s) for i in range(3) for s in (0, 2, 4)
    ]
    assert {(clip.num_frames, clip.fps) for clip in clips} == {(10, 8.0)}
    assert skips == []


def test_short_files_are_named(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "good.mp4").write_bytes((footage / "train" / "clip0.mp4").read_bytes())
    clips, skips = clips_of(tmp_path, tmp_path, num_frames=14, clip_stride=100)
    assert [clip.path.name for clip in clips] == ["good.mp4"]
    assert skips == []
    require_clips(clips, tmp_path, [])
    clips, skips = clips_of(tmp_path, tmp_path, num_frames=15, clip_stride=1)
    assert clips == []
    assert "good.mp4 has 14 frames, a clip needs 15" in skips[0].reason
    with pytest.raises(UserError, match=r"No file in .* gives a clip \(.*good.mp4 has 14 frames, a clip needs 15"):
        require_clips(clips, tmp_path, [skip.reason for skip in skips])


def test_links_are_followed_without_loops_and_no_suffix_is_asked_for(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "real" / ".hidden").mkdir(parents=True)
    for name in ("real/clip.mpg", "real/.hidden/clip.mp4", "real/._clip.mp4", "plain"):
        (tmp_path / name).write_bytes((footage / "train" / "clip0.mp4").read_bytes())
    (tmp_path / "real" / "clip.txt").write_text("a caption")
    (tmp_path / "a" / "elsewhere").symlink_to(footage / "held_out")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    paths = find_files("data.videos", tmp_path)
    assert [os.path.relpath(path, tmp_path) for path in paths] == [
        "a/elsewhere/clip0.mp4", "plain", "real/clip.mpg"
    ]  # fmt: skip


def test_clips_that_hold_damaged_frames_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    clips, skips = cut_clips([Entry(path)], {path: VideoFile("0", 40, 8.0, damaged=(12, 13))}, 8, 8)
    assert [clip.start for clip in clips] == [0, 16, 24, 32]
    assert [skip.reason for skip in skips] == [f"{path} has damaged frames in 1 of its 5 clips, which are left out."]
    assert skips[0].damaged


def test_folders_without_videos(tmp_path: Path) -> None:
    lists = r"give a folder of video files, or a list \(\.jsonl, \.csv, \.json\)\.$"
    with pytest.raises(UserError, match=rf"^data\.videos: .*absent does not exist: {lists}"):
        find_files("data.videos", tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        UserError, match=r"^validation\.videos: .*notes\.txt is no folder: give a folder of video files"
    ):
        find_files("validation.videos", tmp_path / "notes.txt")
    with pytest.raises(UserError, match="has no video file"):
        find_files("data.videos", tmp_path)
