"""Each video is read once: by one process, and by one start of a run."""

import json
import os
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exvideo_infer import examine, load_base
from exvideo_infer.video_file import write_video
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data import scan as scan_module
from exvideo_train.data.scan import MEMORY, VideoFile, scan
from exvideo_train.data.sharing import Alone

MakeConfig = Callable[..., Path]


class Rank:
    """One of several processes, played by a thread."""

    def __init__(self, rank: int, values: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.values, self.barrier = rank, values, barrier
        self.is_main = rank == 0

    def share(self, items: list[Any]) -> list[Any]:
        return items[self.rank :: len(self.values)]

    def gather(self, value: Any) -> list[Any]:
        self.values[self.rank] = value
        self.barrier.wait(60)
        values = list(self.values)
        self.barrier.wait(60)
        return values

    def together(self, act: Callable[[], Any]) -> Any:
        return self.gather(act() if self.is_main else None)[0]


def in_processes(count: int, work: Callable[[Rank], Any]) -> list[Any]:
    """The results of `work` in so many ranks."""
    values, barrier, results = [None] * count, threading.Barrier(count), [None] * count

    def run(rank: int) -> None:
        results[rank] = work(Rank(rank, values, barrier))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def age(paths: list[Path], seconds: float = 100) -> None:
    for path in paths:
        os.utime(path, (time.time() - seconds, time.time() - seconds))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are examined, as they are."""
    names = []
    monkeypatch.setattr(scan_module, "examine", lambda path: names.append(path.name) or examine(path))
    return names


@pytest.fixture
def videos(clip_writer: Callable[..., Path], tmp_path: Path) -> list[Path]:
    (tmp_path / "videos").mkdir()
    paths = [clip_writer(tmp_path / "videos" / f"{seed}.mp4", seed=seed) for seed in range(3)]
    age(paths)
    return paths


def test_files_are_read_once_and_again_when_they_change(videos: list[Path], tmp_path: Path, reads: list[str]) -> None:
    files, failed = scan(videos, tmp_path / "cache", Alone())
    assert failed == {}
    assert files == {path: VideoFile(sha256(path.read_bytes()).hexdigest(), 14, 8.0, shape=(32, 32)) for path in videos}
    assert list(files) == videos
    assert reads == ["0.mp4", "1.mp4", "2.mp4"]
    assert scan(videos, tmp_path / "cache", Alone()) == (files, {})
    assert len(reads) == 3
    videos[1].write_bytes(videos[0].read_bytes())
    age([videos[1]], 50)
    changed, _ = scan(videos, tmp_path / "cache", Alone())
    assert changed[videos[1]] == files[videos[0]]
    assert reads[3:] == ["1.mp4"]
    os.utime(videos[2])  # its bytes may be others now, so it is read again
    scan(videos, tmp_path / "cache", Alone())
    assert reads[4:] == ["2.mp4"]


def test_a_memory_without_shapes_gets_them_and_no_video_is_decoded_again(
    videos: list[Path], tmp_path: Path, reads: list[str]
) -> None:
    files, _ = scan(videos, tmp_path / "cache", Alone())
    memory = tmp_path / "cache" / MEMORY
    whole = memory.read_text()
    before = json.loads(whole)
    for remembered in before["files"].values():
        del remembered["file"]["shape"]
    memory.write_text(json.dumps(before))
    assert scan(videos, tmp_path / "cache", Alone()) == (files, {})
    assert len(reads) == 3
    assert memory.read_text() == whole


def test_a_file_that_has_just_been_written_to_is_not_remembered(
    videos: list[Path], tmp_path: Path, reads: list[str]
) -> None:
    age(videos[:1], 1)
    for _ in range(2):
        scan(videos, tmp_path / "cache", Alone())
    assert reads == ["0.mp4", "1.mp4", "2.mp4", "0.mp4"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 0, "files": {}}', None]
)
def test_a_damaged_memory_is_made_anew(videos: list[Path], tmp_path: Path, reads: list[str], content: str) -> None:
    files, _ = scan(videos, tmp_path / "cache", Alone())
    memory = tmp_path / "cache" / MEMORY
    whole = memory.read_text()
    memory.write_text(whole[: len(whole) // 2] if content is None else content)
    assert scan(videos, tmp_path / "cache", Alone()) == (files, {})
    assert len(reads) == 6
    assert memory.read_text() == whole
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [MEMORY]


def test_runs_that_share_a_cache_add_to_the_memory(videos: list[Path], tmp_path: Path, reads: list[str]) -> None:
    for part in (videos[:2], videos[2:], videos):
        scan(part, tmp_path / "cache", Alone())
    assert reads == ["0.mp4", "1.mp4", "2.mp4"]
    assert set(json.loads((tmp_path / "cache" / MEMORY).read_text())["files"]) == {str(path) for path in videos}


def test_a_memory_that_cannot_be_written_is_told(
    videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    files, _ = scan(videos, tmp_path / "cache", Alone())
    assert len(files) == 3
    assert "cannot be written (File exists): the next start reads all videos again" in capsys.readouterr().err


def test_each_file_is_read_by_one_process_and_all_get_the_same(
    videos: list[Path], tmp_path: Path, reads: list[str]
) -> None:
    (tmp_path / "videos" / "damaged.mp4").write_text("no video")
    paths = sorted((tmp_path / "videos").iterdir())
    results = in_processes(2, lambda rank: scan(paths, tmp_path / "cache", rank))
    assert sorted(reads) == ["0.mp4", "1.mp4", "2.mp4", "damaged.mp4", "damaged.mp4"]
    assert results[0] == results[1] == scan(paths, tmp_path / "other", Alone())
    assert [list(files) for files, _ in results] == [videos, videos]
    assert list(results[0][1]) == [tmp_path / "videos" / "damaged.mp4"]


def bytes_read() -> int:
    """By this process, of files that it asked the system for."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="the system does not count bytes read")
def test_a_second_start_reads_less_than_a_hundredth_of_the_videos(
    make_config: MakeConfig, tiny_base_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "videos").mkdir()
    noise = np.random.default_rng(0)
    for number in range(3):
        pixels = (noise.integers(0, 255, (256, 256, 3), dtype=np.uint8) for _ in range(40))
        write_video(tmp_path / "videos" / f"{number}.mp4", pixels, fps=8)
    paths = sorted((tmp_path / "videos").iterdir())
    age(paths)
    size = sum(path.stat().st_size for path in paths)
    assert size > 5_000_000
    config = load_config(make_config(**{"data.videos": str(tmp_path / "videos"), "data.clip_stride": 10}))
    base, read, contents = load_base(tiny_base_dir), [], []
    for _ in range(2):
        before = bytes_read()
        data = encode_data(config, base, Alone(), lambda done, total: None)
        assert len(data.training) == 12
        contents.append((data.content, data.clips_by_name))
        read.append(bytes_read() - before)
    assert read[0] > size
    assert read[1] < size / 100
    assert contents[0] == contents[1]
