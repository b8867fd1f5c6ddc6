"""Processes that share a cache share the work, and take over that of one that was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.leases import NAME, Leases, is_leased
from exvideo_train.data.video_encoder import VideoEncoder

from . import encode_slowly


@pytest.fixture
def leases() -> Iterator[Leases]:
    with closing(Leases()) as leases:
        yield leases


def test_a_lease_is_one_process_s_until_it_gives_it_back(leases: Leases, tmp_path: Path) -> None:
    with closing(Leases()) as other:
        assert leases.take(tmp_path / "video")
        assert is_leased(tmp_path / "video")
        assert not other.take(tmp_path / "video")
        other.release(tmp_path / "video")  # not its own
        assert not other.take(tmp_path / "video")
        leases.release(tmp_path / "video")
        assert not is_leased(tmp_path / "video")
        assert other.take(tmp_path / "video")
    assert leases.take(tmp_path / "video")
    assert [path.name for path in (tmp_path / "video").iterdir()] == [NAME]


def held(folder: Path, **changes: object) -> None:
    """Writes a lease of a process that is gone, or as `changes` say."""
    with closing(Leases()) as leases:
        leases.take(folder)
        holder = json.loads((folder / NAME).read_text())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (folder / NAME).write_text(json.dumps(holder | {"token": "another", "pid": gone.pid} | changes))


def test_the_lease_of_a_killed_process_is_taken_over_by_one_alone(leases: Leases, tmp_path: Path) -> None:
    held(tmp_path)
    assert not is_leased(tmp_path)
    with closing(Leases()) as other:
        assert [leases.take(tmp_path), other.take(tmp_path)] == [True, False]


def test_another_machine_s_lease_is_stale_when_it_is_not_refreshed(tmp_path: Path) -> None:
    held(tmp_path, machine="another")
    with closing(Leases(stale=0.3)) as leases:
        assert is_leased(tmp_path)
        for _ in range(4):  # refreshed by its process
            assert not leases.take(tmp_path)
            os.utime(tmp_path / NAME)
            time.sleep(0.15)
        assert not leases.take(tmp_path)
        time.sleep(0.4)
        assert leases.take(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_lease_is_stale_by_its_time(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with closing(Leases(stale=0.2)) as leases:
        assert not leases.take(tmp_path)
        time.sleep(0.3)
        assert leases.take(tmp_path)


@pytest.fixture(scope="module")
def films(clip_writer: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(4):
        clip_writer(folder / f"{number}.mp4", frames=encode_slowly.FRAMES, seed=number)
    return folder


def start(films: Path, cache: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, encode_slowly.__file__, str(films), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def blocks(cache: Path) -> int:
    return len(list(cache.rglob("latents-*.safetensors")))


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_encoded(films: Path, cache: Path, tmp_path: Path) -> None:
    base, clips = encode_slowly.SlowBase(), encode_slowly.clips_in(films)
    ours, alone = (LatentCache(folder, base) for folder in (cache, tmp_path / "alone"))
    assert VideoEncoder(ours, base, {}).encode(clips) == {}
    assert base.frames == 0
    VideoEncoder(alone, base, {}).encode(clips)
    for clip in clips:
        assert torch.equal(ours.read(clip).latents, alone.read(clip).latents)
    assert not list(cache.rglob(NAME))


@pytest.mark.long
def test_two_processes_that_are_killed_finish_each_other_s_work(films: Path, tmp_path: Path) -> None:
    cache, frames = tmp_path / "cache", 4 * encode_slowly.FRAMES
    killed = [start(films, cache) for _ in range(2)]
    wait_for(lambda: blocks(cache) >= 4)
    for process in killed:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = 64 * blocks(cache)
    assert 0 < done < frames
    again = [start(films, cache) for _ in range(2)]
    encoded = [int(process.communicate(timeout=120)[0]) for process in again]
    assert [process.returncode for process in again] == [0, 0]
    assert sum(encoded) == frames - done  # nothing twice, and nothing that was done
    assert_encoded(films, cache, tmp_path)


@pytest.mark.long
def test_a_process_finishes_the_work_of_one_that_is_killed_beside_it(films: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    one = start(films, cache)
    wait_for(lambda: blocks(cache) >= 1)  # of the one to be killed
    other = start(films, cache)
    wait_for(lambda: blocks(cache) >= 4)
    one.kill()
    one.wait()
    encoded = int(other.communicate(timeout=120)[0])
    assert other.returncode == 0
    assert 0 < encoded < 4 * encode_slowly.FRAMES
    assert_encoded(films, cache, tmp_path)
