"""Names and places that a reader refuses or must bear."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.video_reader import VideoReadError, digest, probe


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    for read in (digest, probe):
        with pytest.raises(VideoReadError, match=r"caf\\xe9\.mp4: has a name that is not UTF-8: rename it") as caught:
            read(path)
        str(caught.value).encode()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    for read in (digest, probe):
        with pytest.raises(VideoReadError, match="is a folder that cannot be read: allow it, or take it out"):
            read(tmp_path)


def test_what_ffmpeg_takes_for_a_protocol_is_a_name(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_clip: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.replace(write_video(tmp_path / "a.mp4", moving_clip(0)), tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("12:30.mp4")).num_frames == 12
