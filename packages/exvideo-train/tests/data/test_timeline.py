"""Frames at another rate: at each moment the one that a player shows then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import load_base, read_clip
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.scan import VideoFile
from exvideo_train.data.sharing import Alone
from exvideo_train.data.timeline import Timeline, timeline_of

from tiny_world.camera_files import write

from ..test_two_hundred_clips import pictures

MakeConfig = Callable[..., Path]


def steady(num_frames: int, fps: float) -> VideoFile:
    return VideoFile("", num_frames, fps)


@pytest.mark.parametrize(
    ("num_frames", "rate", "fps", "places"),
    [
        (10, 30, 15, (0, 2, 4, 6, 8)),
        (10, 30, 10, (0, 3, 6)),
        (5, 25, 10, (0, 2)),
        (7, 24, 16, (0, 1, 3, 4)),
        (3, 8, 16, (0, 0, 1, 1, 2, 2)),
        (4, 29.97, 10, (0,)),
    ],
)
def test_a_steady_file_at_another_rate(num_frames: int, rate: float, fps: float, places: tuple[int, ...]) -> None:
    assert timeline_of(steady(num_frames, rate), rate, fps) == Timeline(places, fps, converted=True)


@pytest.mark.parametrize("fps", [None, 30, 29.9])
def test_rates_that_are_nearly_the_same_are_left_alone(fps: float | None) -> None:
    assert timeline_of(steady(300, 29.97), 29.97, fps) == Timeline(range(300), 29.97)


def test_no_frame_is_lost_over_an_hour() -> None:
    for rate, fps in ((30.0, 24.0), (24.0, 30.0), (23.976, 8.0), (59.94, 29.97)):
        line = timeline_of(steady(100_000, rate), rate, fps)
        assert abs(len(line.places) - 100_000 * fps / rate) <= 1
        for number in (0, 1, len(line.places) // 2, len(line.places) - 1):
            shown_from, moment = line.places[number] / rate, number / fps
            assert shown_from <= moment + 1e-6 < shown_from + 1 / rate + 1e-5


def test_a_variable_rate_goes_by_the_times_of_its_frames() -> None:
    times = (5.0, 5.1, 5.2, 5.7, 5.8)
    file = VideoFile("", 5, 5 / 0.9, times=times)
    assert timeline_of(file, file.fps, 10).places == (0, 1, 2, 2, 2, 2, 2, 3, 4)
    assert timeline_of(file, file.fps, None).places == range(5)


def test_clips_at_another_rate_are_the_frames_that_a_player_shows(
    make_config: MakeConfig, tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of 25 frames a second with a gap, at 12.5, every second frame: told before, and right in the cache."""
    (tmp_path / "clips").mkdir()
    frames = pictures(num_frames=60)
    write(tmp_path / "clips" / "steady.mp4", frames)
    late = [40 * number + (400 if number >= 20 else 0) for number in range(60)]
    write(tmp_path / "clips" / "waits.mp4", frames, times=late)
    changes: dict[str, Any] = {"data.videos": str(tmp_path / "clips"), "data.fps": 12.5, "data.frame_stride": 2}
    config = load_config(make_config(**changes, **{"data.clip_stride": 5, "validation": None}))
    base, said = load_base(tiny_base_dir), []

    def progress(done: int, total: int) -> None:
        if not said:
            said.append((capsys.readouterr().err, json.loads((tmp_path / "run" / "data.json").read_text())))

    data = encode_data(config, base, Alone(), progress)
    told, report = said[0]
    assert "of which 30 are taken at 12.5 a second.\n" in told
    assert {Path(file["file"]).name: file["taken"] for file in report["sources"][0]["files"]} == {
        "steady.mp4": {"frames": 30, "fps": 12.5},
        "waits.mp4": {"frames": 35, "fps": 12.5},
    }
    by_name = {clip.name_in(tmp_path / "clips"): clip for clip in data.training}
    assert list(by_name) == [
        *(f"steady.mp4@{start}" for start in (0, 5, 10)),
        *(f"waits.mp4@{start}" for start in (0, 5, 10, 15)),
    ]
    places = {name: list(clip.places) for name, clip in by_name.items()}
    assert places["steady.mp4@5"] == list(range(10, 50, 4))
    # At 0.8 s the wait begins: frame 19 is shown from 0.76 to 1.2 s.
    assert places["waits.mp4@0"] == [0, 4, 8, 12, 16, 19, 19, 19, 22, 26]
    for name, clip in by_name.items():
        encoded = data.cache.read(clip)
        assert clip.fps == 6.25
        assert encoded.conditions.time_ids is not None
        assert encoded.conditions.time_ids[0, 0] == 5.25
        whole = read_clip(clip.path, size=(32, 32)).float() / 127.5 - 1
        expected = base.encode_frames(whole[places[name]])
        torch.testing.assert_close(encoded.latents, expected, rtol=1e-3, atol=1e-3)
