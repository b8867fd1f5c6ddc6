from collections.abc import Callable
from pathlib import Path

import pytest
from exvideo_train.dataset import find_clips, require_clips
from exvideo_train.errors import UserError


def test_clips_of_a_folder_in_order(footage: Path) -> None:
    clips, skips = find_clips(footage / "train", num_frames=10, clip_stride=2)
    assert [(clip.path.name, clip.start) for clip in clips] == [
        (f"clip{i}.mp4", s) for i in range(3) for s in (0, 2, 4)
    ]
    assert {(clip.num_frames, clip.fps) for clip in clips} == {(10, 8.0)}
    assert skips == []


def test_short_and_damaged_files_are_named(footage: Path, tmp_path: Path) -> None:
    whole = (footage / "train" / "clip0.mp4").read_bytes()
    (tmp_path / "good.mp4").write_bytes(whole)
    (tmp_path / "notes.mp4").write_text("no video")
    clips, skips = find_clips(tmp_path, num_frames=10, clip_stride=100)
    assert [clip.path.name for clip in clips] == ["good.mp4"]
    assert [skip.path.name for skip in skips] == ["notes.mp4"]
    clips, skips = find_clips(tmp_path, num_frames=15, clip_stride=1)
    assert clips == []
    assert "good.mp4 has 14 frames, a clip needs 15" in skips[0].reason
    told: list[str] = []
    report: Callable[..., None] = lambda skip: told.append(skip.path.name)  # noqa: E731
    with pytest.raises(UserError, match=r"No file in .* gives a clip"):
        require_clips(clips, skips, tmp_path, report)
    assert told == ["good.mp4", "notes.mp4"]


def test_folders_without_videos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent does not exist"):
        find_clips(tmp_path / "absent", 8, 1)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="has no video file"):
        find_clips(tmp_path, 8, 1)
