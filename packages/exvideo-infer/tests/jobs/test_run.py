import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from exvideo_infer import probe
from exvideo_infer.jobs.claims import claim
from exvideo_infer.jobs.job import Clip, Job
from exvideo_infer.jobs.run import clip_path, make_all

from .sketch_maker import FRAMES, SketchMaker, clips_of


def no_word(*_: Any) -> None:
    pass


def test_each_clip_is_made_once_and_none_again(tmp_path: Path) -> None:
    maker = SketchMaker()
    clips = clips_of(maker, 3)
    assert make_all(clips, tmp_path, maker, no_word) == 3
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {path.name for path in before} == {f"{name}.{kind}" for name in clips for kind in ("mp4", "json")}
    assert make_all(clips_of(maker, 4), tmp_path, maker, no_word) == 1
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(maker.asked) == len(set(maker.asked)) == 4
    settings = json.loads((tmp_path / f"{maker.asked[2]}.json").read_text())
    assert settings == clips[maker.asked[2]].settings


def test_a_clip_that_its_job_names_is_made_once_and_never_taken_for_another(tmp_path: Path) -> None:
    maker = SketchMaker()
    named, same, other = (
        maker.resolve(Job("a grey wall", seed=seed, name="wall", num_frames=frames))
        for seed, frames in ((3, None), (3, FRAMES), (4, None))
    )
    assert make_all({"wall": named}, tmp_path, maker, no_word) == 1
    assert json.loads((tmp_path / "wall.json").read_text()) == {"hash": named.name(maker.model), **named.settings}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"wall.mp4", "wall.json"}
    assert make_all({"wall": same}, tmp_path, maker, no_word) == 0
    with pytest.raises(ValueError, match=r"wall\.mp4 is there, and not the clip that is asked for"):
        make_all(clips_of(maker, 1) | {"wall": other}, tmp_path, maker, no_word)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before  # nor was the first of them made
    maker.model = "another"
    with pytest.raises(ValueError, match="other settings or another model made it"):
        make_all({"wall": named}, tmp_path, maker, no_word)
    maker.model = SketchMaker.model
    (tmp_path / "wall.json").write_text("[]")
    with pytest.raises(ValueError, match="Give another folder or name"):
        make_all({"wall": named}, tmp_path, maker, no_word)


def test_what_fails_leaves_no_clip_and_no_claim(tmp_path: Path) -> None:
    maker = SketchMaker()
    clips = clips_of(maker, 2)
    first, second = clips

    def stop(name: str, *_: Any) -> None:
        maker.seconds_a_step = float("nan")  # time.sleep refuses it

    with pytest.raises(ValueError, match="NaN"):
        make_all(clips, tmp_path, maker, stop)
    assert clip_path(tmp_path, first).exists()
    assert not clip_path(tmp_path, second).exists()
    with claim(tmp_path, second) as held:
        assert held


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    maker = SketchMaker()
    clips: dict[str, Clip] = clips_of(maker, 1)
    left = tmp_path / f".{next(iter(clips))}.mp4.123.tmp"
    left.write_bytes(b"half")
    make_all(clips, tmp_path, maker, no_word)
    assert not left.exists()


def start(folder: Path, count: int, seconds_a_step: float) -> "subprocess.Popen[str]":
    script = Path(__file__).with_name("sketch_maker.py")
    arguments = [sys.executable, str(script), str(folder), str(count), str(seconds_a_step)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.long
def test_two_processes_share_a_list_and_one_is_killed(tmp_path: Path) -> None:
    """The other makes what it has left, the clip that it was making at once."""
    killed, other = start(tmp_path, 8, 0.1), start(tmp_path, 8, 0.1)
    assert killed.stdout is not None
    assert killed.stdout.readline().startswith("made")
    killed.kill()
    said, _ = other.communicate(timeout=60)
    by_killed, _ = killed.communicate()
    assert other.returncode == 0
    names = [line for line in (said + by_killed).splitlines() if line]
    assert len(names) == len(set(names)) == 7  # and the one whose line was read
    clips = list(tmp_path.glob("*.mp4"))
    assert [probe(path).num_frames for path in clips] == [FRAMES] * 8
    assert not list(tmp_path.glob(".*"))
