"""Clips as files: whole or not at all, kept when they are there, and told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import probe, read_clip
from PIL import Image

from tiny_world.world import contact_sheet
from tiny_world.world.__main__ import main
from tiny_world.world.captions import caption
from tiny_world.world.clip_files import ClipFileError, read_clip_file, write_clips
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.motion import state_of
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec


def run(folder: Path, *options: str) -> int:
    return main(["--output", str(folder), "--clips", "3", "--frames", "10", *options])


def test_a_folder_of_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "clips", "--split", "held_out", "--seed", "4") == 0
    assert "3 clips written, 0 kept" in capsys.readouterr().out
    videos = sorted((tmp_path / "clips").glob("*.mp4"))
    assert len(videos) == 3
    for index, path in enumerate(videos):
        info, clip, spec = probe(path), read_clip_file(path), sample_spec(4, index, "held_out")
        assert (info.num_frames, info.fps, info.width, info.height) == (10, 8.0, 64, 64)
        assert (clip.spec, clip.caption, clip.num_frames) == (spec, caption(spec), 10)
        np.testing.assert_allclose(clip.state.centre, state_of(spec, 10).centre, atol=1e-4)
        difference = read_clip(path).permute(0, 2, 3, 1).numpy().astype(int) - render(spec, 10)
        assert abs(difference).mean() < 4


def test_a_second_run_keeps_what_is_there_and_adds_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "train-0-000001.json").unlink()  # cut off between a video and its state
    assert run(tmp_path) == 0
    assert "1 clips written, 2 kept" in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"train-0-000001.mp4", "train-0-000001.json"}
    assert set(after) == set(before)


def test_a_folder_of_clips_with_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--events", "turn", "--duration", "1", "4", "--split", "held_out") == 0
    assert "6 clips written, 0 kept" in capsys.readouterr().out
    assert run(tmp_path, "--events", "turn", "--duration", "4", "--split", "held_out") == 0
    assert "0 clips written, 3 kept" in capsys.readouterr().out
    clip = read_clip_file(tmp_path / "turn-04-held_out-0-000002.mp4")
    assert clip.spec == sample_event(0, 2, "turn", 4, "held_out")
    np.testing.assert_array_equal(clip.state.event, state_of(clip.spec, 10).event)
    np.testing.assert_array_equal(clip.state.turned, state_of(clip.spec, 10).turned)


@pytest.mark.parametrize("command", ["clips", "sheet"])
def test_a_kind_of_events_and_their_duration_come_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    tell = {"clips": main, "sheet": contact_sheet.main}[command]
    for options in (["--events", "blink"], ["--duration", "3"], ["--events", "blink", "--duration", "21"]):
        assert tell(["--output", str(tmp_path / "out"), "--clips", "1", *options]) == 2
        assert "duration" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_clips_of_another_length_are_not_mixed_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, "--frames", "12") == 2
    error = capsys.readouterr().err
    assert "train-0-000000.mp4" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("options", [("--clips", "0"), ("--frames", "0"), ("--seed", "-1")])
def test_clips_that_there_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    assert run(tmp_path / "clips", *options) == 2
    assert options[1] in capsys.readouterr().err
    assert not (tmp_path / "clips").exists()


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (path, _), *_ = write_clips(tmp_path, 1, 4, seed=0, split="train")
    sidecar = path.with_suffix(".json")
    data = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(data | {"spec": data["spec"] | {"subjects": []}}))
    with pytest.raises(ClipFileError, match=sidecar.name):
        read_clip_file(path)
    sidecar.write_text("{")
    with pytest.raises(ClipFileError, match=sidecar.name):
        read_clip_file(path)


def test_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sheets" / "sheet.png"
    assert contact_sheet.main(["--output", str(path), "--clips", "2"]) == 0
    picture = np.asarray(Image.open(path).convert("RGB"))
    top, left = contact_sheet.CAPTION_HEIGHT, contact_sheet.GAP
    shown = picture[top : top + 64, left + 67 : left + 67 + 64]  # the second column is frame 5
    np.testing.assert_array_equal(shown, render(sample_spec(0, 0), 40)[5])
    assert contact_sheet.main(["--output", str(path), "--clips", "1", "--events", "bounce", "--duration", "2"]) == 0
    shown = np.asarray(Image.open(path).convert("RGB"))[top : top + 64, left + 67 : left + 67 + 64]
    np.testing.assert_array_equal(shown, render(sample_event(0, 0, "bounce", 2), 40)[5])
    assert contact_sheet.main(["--output", str(path), "--clips", "0"]) == 2
    assert "0 clips" in capsys.readouterr().err
