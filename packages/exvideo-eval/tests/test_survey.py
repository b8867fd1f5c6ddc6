"""Files are counted by decoding, once for each content."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import video_reader
from exvideo_eval.execution import Execution
from exvideo_eval.info_cache import InfoCache
from exvideo_eval.survey import survey
from exvideo_eval.video_reader import VideoInfo, VideoReadError


@pytest.fixture
def clips(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    for number in range(3):
        write_video(tmp_path / "clips" / "sub" / f"{number}.mp4", moving_clip(number, 6 + number))
    return tmp_path / "clips"


def test_every_readable_file_is_described_by_its_name(clips: Path, tmp_path: Path) -> None:
    (clips / "broken.mp4").write_bytes(b"no video")
    for execution in (Execution(), Execution(cache=tmp_path / "cache"), Execution(cache=tmp_path / "cache", workers=3)):
        infos = survey("real", clips, execution)
        assert {name: info.num_frames for name, info in infos.items()} == {
            "sub/0.mp4": 6,
            "sub/1.mp4": 7,
            "sub/2.mp4": 8,
        }


def test_a_content_is_decoded_once_under_any_name(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = InfoCache(tmp_path / "cache")
    first = cache.probe(clips / "sub" / "0.mp4")
    (clips / "sub" / "0.mp4").rename(clips / "moved.mp4")
    monkeypatch.setattr("exvideo_eval.info_cache.probe", None)  # whoever calls it fails
    assert cache.probe(clips / "moved.mp4") == first


def test_what_another_version_counted_is_counted_again(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, counted = InfoCache(tmp_path / "cache"), []

    def probe(path: Path) -> VideoInfo:
        counted.append(path.name)
        return video_reader.probe(path)

    monkeypatch.setattr("exvideo_eval.info_cache.probe", probe)
    for version in ("1", "1", "2", "1"):
        monkeypatch.setattr("exvideo_eval.info_cache.versions_of_measuring", lambda version=version: {"av": version})
        cache.probe(clips / "sub" / "0.mp4")
    assert counted == ["0.mp4", "0.mp4"]


def test_damaged_notes_are_made_again(clips: Path, tmp_path: Path) -> None:
    cache = InfoCache(tmp_path / "cache")
    first = cache.probe(clips / "sub" / "0.mp4")
    (stored,) = cache.folder.iterdir()
    for text in ("", "{}", '{"num_frames": 3, "colour": 1}', "[]"):
        stored.write_text(text)
        assert cache.probe(clips / "sub" / "0.mp4") == first
    assert [path.name for path in cache.folder.iterdir()] == [stored.name]


def test_a_folder_without_a_video_is_told_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.raises(ValueError, match=r"None of the 1 files of real clips .* gone\.mp4 is corrupt or not a video"):
        survey("real", tmp_path, Execution())
    with pytest.raises(VideoReadError, match="cannot be read"):
        video_reader.digest(tmp_path / "gone.mp4")
