import os
from pathlib import Path

import pytest
from exvideo_train.data.dataset import Clip, Cutting, Skip, cut_clips, find_files, nearest_size, require_clips
from exvideo_train.data.manifest import Entry
from exvideo_train.data.scan import VideoFile, scan
from exvideo_train.data.sharing import Alone
from exvideo_train.errors import UserError


def clips_of(folder: Path, memory: Path, num_frames: int, clip_stride: int) -> tuple[list[Clip], list[Skip]]:
    paths = find_files("data.videos", folder)
    files, _ = scan(paths, memory, Alone())
    return cut_clips([Entry(path) for path in paths], files, Cutting([num_frames], [(32, 32)], clip_stride))


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
    file = VideoFile("0", 40, 8.0, damaged=(12, 13))
    clips, skips = cut_clips([Entry(path)], {path: file}, Cutting([8], [(32, 32)], 8))
    assert [clip.start for clip in clips] == [0, 16, 24, 32]
    assert [skip.reason for skip in skips] == [f"{path} has damaged frames in 1 of its 5 clips, which are left out."]
    assert skips[0].damaged


def test_a_stretch_gives_clips_of_the_longest_length_that_it_can_hold() -> None:
    entries = [Entry(Path("long.mp4")), Entry(Path("short.mp4")), Entry(Path("tiny.mp4")), Entry(Path("bad.mp4"))]
    files = {entry.path: VideoFile("0", frames, 8.0) for entry, frames in zip(entries, (41, 39, 15, 45), strict=True)}
    files[Path("bad.mp4")] = VideoFile("0", 45, 8.0, damaged=(20,))  # in each of its clips of 40 frames
    clips, skips = cut_clips(entries, files, Cutting([40, 16], [(32, 32)], 16))
    assert [(clip.path.name, clip.start, clip.num_frames) for clip in clips] == [
        ("long.mp4", 0, 40), ("short.mp4", 0, 16), ("short.mp4", 16, 16), ("bad.mp4", 0, 16)
    ]  # fmt: skip
    assert [skip.reason for skip in skips] == [
        "tiny.mp4 has 15 frames, a clip needs 16.",
        "bad.mp4 has damaged frames in 1 of its 1 clip, which are left out.",
    ]
    (clip,), _ = cut_clips([Entry(Path("short.mp4"))], files, Cutting([40, 16], [(32, 32)], 16, frame_stride=2))
    assert list(clip.places) == list(range(0, 32, 2))  # 16 frames need 31


@pytest.mark.parametrize(
    ("shape", "nearest"),
    [
        ((1080, 1920), (320, 576)),
        ((1920, 1080), (576, 320)),
        ((480, 480), (512, 512)),
        ((480, 640), (512, 512)),  # 4:3 is a third wider than a square, and 16:9 a third wider than that, all but
        ((400, 640), (320, 576)),
        ((4, 3), (512, 512)),
        ((10, 1), (576, 320)),
    ],
)
def test_a_file_goes_to_the_nearest_aspect_ratio(shape: tuple[int, int], nearest: tuple[int, int]) -> None:
    assert nearest_size(shape, [(512, 512), (320, 576), (576, 320)]) == nearest


def test_of_equally_near_sizes_the_first_is_taken() -> None:
    wide, tall = (320, 576), (576, 320)
    for sizes in ([wide, tall], [tall, wide]):
        assert nearest_size((480, 480), sizes) == sizes[0]
    assert nearest_size((0, 0), [tall]) == tall  # of which nothing depends on the file


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
