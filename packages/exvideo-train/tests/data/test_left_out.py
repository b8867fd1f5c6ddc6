"""A clip that cannot be read is tried twice; if it fails it is left out alone, by every later start, too."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import Base, VideoError, iter_frames_at, load_base
from exvideo_train.cli import main
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.data import Data, cache_file, encode_data, video_encoder
from exvideo_train.data import scan as scan_module
from exvideo_train.data.sharing import Alone, Sharing
from exvideo_train.errors import UserError

from .test_scan import in_processes

MakeConfig = Callable[..., Path]
Place = tuple[str, int]


class Disk:
    """Videos that fail as many times as it is told, by name and frame, and the readings of them, by name and start."""

    def __init__(self) -> None:
        self.failures: dict[Place, int] = {}
        self.readings: list[Place] = []
        self.error: Exception = OSError(errno.EIO, "Input/output error", "clip")

    def iter_frames_at(self, path: Path, places: Sequence[int], *rest: Any) -> Iterator[Any]:
        if places:
            self.readings.append((path.name, places[0]))
        for place, frame in zip(places, iter_frames_at(path, places, *rest), strict=True):
            if self.failures.get((path.name, place), 0) > 0:
                self.failures[path.name, place] -= 1
                raise self.error
            yield frame


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(video_encoder, "iter_frames_at", disk.iter_frames_at)
    return disk


@pytest.fixture
def base(tiny_base_dir: Path) -> Base:
    return load_base(tiny_base_dir)


def encoded(config: TrainConfig, base: Base, processes: Sharing | None = None) -> Data:
    return encode_data(config, base, processes or Alone(), lambda done, total: None)


def test_a_failure_that_passes_changes_nothing(
    make_config: MakeConfig, disk: Disk, base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = encoded(load_config(make_config("whole")), base)
    disk.readings.clear()
    disk.failures = {("clip0.mp4", 1): 1, ("clip1.mp4", 12): 1}
    capsys.readouterr()
    data = encoded(load_config(make_config("flaky")), base)
    assert data.clips_by_name == whole.clips_by_name
    assert data.content == whole.content
    assert sorted(disk.readings[-2:]) == [("clip0.mp4", 0), ("clip1.mp4", 4)]  # after all others, read side by side
    assert len(disk.readings) == 6
    for clip in data.training:
        assert torch.equal(data.cache.read(clip).latents, whole.cache.read(clip).latents)
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "flaky" / "left_out.json").exists()


@pytest.mark.parametrize("error", [VideoError("clip1.mp4 is damaged."), OSError(errno.EIO, "Input/output error", "c")])
def test_a_clip_that_fails_twice_is_left_out_alone_and_stays_so(
    make_config: MakeConfig,
    disk: Disk,
    base: Base,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    whole = encoded(load_config(make_config("whole")), base)
    disk.failures, disk.error = {("clip1.mp4", 1): 2}, error
    config = load_config(make_config())
    capsys.readouterr()
    data = encoded(config, base)
    told = capsys.readouterr().err
    reason = str(error) if isinstance(error, VideoError) else "c cannot be read (Input/output error)."
    path = tmp_path / "run" / "left_out.json"
    assert told == (
        f"Left out: clip1.mp4@0: {reason}\n{path} keeps them out of this run: remove the file to try them again.\n"
    )
    expected = dict(whole.clips_by_name)
    content = expected.pop("clip1.mp4@0")
    assert data.clips_by_name == expected
    assert json.loads(path.read_text()) == [
        {"source": "data.videos", "clip": "clip1.mp4@0", "content": content, "reason": reason}
    ]
    disk.readings.clear()
    again = encoded(config, base)
    assert again.content == data.content
    assert capsys.readouterr().err == told
    assert disk.readings == []
    path.unlink()
    assert encoded(config, base).content == whole.content


def test_a_run_goes_on_as_the_same_run_when_the_disk_is_well_again(
    make_config: MakeConfig, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.failures = {("clip1.mp4", 1): 2}
    assert main(["--config", str(make_config(**{"optimizer.steps": 2}))]) == 0
    capsys.readouterr()
    assert main(["--config", str(make_config(**{"optimizer.steps": 3}))]) == 0
    told = capsys.readouterr().err
    assert "Left out: clip1.mp4@0" in told
    assert "Resumed from" in told


def test_a_file_that_cannot_be_read_at_all_is_left_out_likewise(
    make_config: MakeConfig,
    footage: Path,
    base: Base,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(footage / "train", tmp_path / "videos" / "sub")
    config = load_config(make_config(**{"data.videos": str(tmp_path / "videos")}))
    tries, real = [], scan_module.examine

    def failing(path: Path) -> Any:
        tries.append(path.name)
        if path.name == "clip2.mp4":
            raise VideoError("clip2.mp4 is cut short.")
        return real(path)

    monkeypatch.setattr(scan_module, "examine", failing)
    data = encoded(config, base)
    assert tries == ["clip0.mp4", "clip1.mp4", "clip2.mp4", "clip2.mp4"]
    told = capsys.readouterr().err
    assert told.startswith("Left out: sub/clip2.mp4: clip2.mp4 is cut short.\n")
    monkeypatch.setattr(scan_module, "examine", real)
    assert encoded(config, base).content == data.content
    assert len(data.training) == 6
    assert capsys.readouterr().err == told


def test_held_out_clips_are_left_out_under_the_name_of_their_folder(
    make_config: MakeConfig, footage: Path, disk: Disk, base: Base, tmp_path: Path
) -> None:
    held_out = {"validation.videos": str(footage / "held_out"), "validation.clip_stride": 2}
    disk.failures = {("clip0.mp4", 13): 4}  # of both folders
    data = encoded(load_config(make_config(**held_out)), base)
    assert (len(data.training), len(data.held_out)) == (8, 2)
    entries = json.loads((tmp_path / "run" / "left_out.json").read_text())
    assert [(entry["source"], entry["clip"]) for entry in entries] == [
        ("data.videos", "clip0.mp4@4"),
        ("validation.videos", "clip0.mp4@4"),
    ]


def test_all_processes_leave_out_the_same(
    make_config: MakeConfig, disk: Disk, base: Base, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(make_config())
    disk.failures = {("clip0.mp4", 2): 2, ("clip2.mp4", 13): 1}
    for _ in range(2):
        first, second = in_processes(2, lambda rank: encoded(config, base, rank))
        assert first.clips_by_name == second.clips_by_name
        assert len(first.training) == 7
        told = capsys.readouterr().err
        assert told.count("Left out: clip0.mp4@0, clip0.mp4@2: clip cannot be read (Input/output error).") == 1


def test_when_nothing_is_left_nothing_is_kept_out(
    make_config: MakeConfig, disk: Disk, base: Base, tmp_path: Path
) -> None:
    config = load_config(make_config())
    disk.failures = {(f"clip{number}.mp4", 5): 2 for number in range(3)}
    with pytest.raises(UserError, match=r"No file in .*train gives a clip \(clip cannot be read"):
        encoded(config, base)
    assert not (tmp_path / "run" / "left_out.json").exists()
    assert len(encoded(config, base).training) == 9


def test_a_damaged_list_is_named(make_config: MakeConfig, base: Base, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for content in ("{", "[3]", '[{"clip": "a.mp4@0"}]'):
        (tmp_path / "run" / "left_out.json").write_text(content)
        with pytest.raises(UserError, match=r"left_out\.json cannot be read .*: remove it to try all clips again"):
            encoded(load_config(make_config()), base)


def test_a_full_disk_ends_the_run_and_leaves_no_clip_out(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_file, "write_safetensors", full)
    assert main(["--config", str(make_config())]) == 2
    assert f"The folder {tmp_path}/run/latents/files/" in capsys.readouterr().err
    assert not (tmp_path / "run" / "left_out.json").exists()
