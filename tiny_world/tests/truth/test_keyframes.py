"""Keyframes held and blended: which frames they show, and clips of them as files."""

from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import read_clip

from tiny_world.truth.keyframes import blended, held, main
from tiny_world.world.clip_files import write_event_clips

FRAMES = np.arange(0, 220, 20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)  # 11 frames


def test_held_frames_are_the_last_keyframe() -> None:
    assert (held(FRAMES, 4)[:, 0, 0, 0] // 20).tolist() == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8]
    np.testing.assert_array_equal(held(FRAMES, 1), FRAMES)


def test_blended_frames_are_between_keyframes_and_stay_at_the_last() -> None:
    assert (blended(FRAMES, 4)[:, 0, 0, 0] // 20).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    np.testing.assert_array_equal(blended(FRAMES, 1), FRAMES)


def test_clips_are_written_under_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (real, _), *_ = write_event_clips(tmp_path / "real", 1, 9, 0, "train", "turn", 2)
    options = ["--real", str(real.parent), "--every", "4", "--output", str(tmp_path / "held"), "--between", "held"]
    assert main(options) == 0
    frames = read_clip(tmp_path / "held" / real.name).numpy().astype(int)
    assert abs(frames[0] - frames[3]).mean() < 1 < abs(frames[3] - frames[4]).mean()
    assert main([*options, "--every", "0"]) == 2
    assert "--every is 0" in capsys.readouterr().err
