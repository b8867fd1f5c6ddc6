"""Metadata in files of every format."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from exvideo_infer import VideoError, probe, read_metadata, write_video
from PIL import Image

FORMATS = ["clip.mp4", "clip.webm", "clip.mkv", "clip.gif", "clip.webp", "clip"]
METADATA: dict[str, Any] = {
    "prompt": 'a red circle 🙂 bounces; "quoted" <b>\n\x00é' + "long" * 1500,
    "seed": 2**63 - 1,
    "fps": 0.1 + 0.2,
    "extension": None,
    "versions": {"torch": "2.13.0"},
}


def frames(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 32, 48, 3), dtype=np.uint8))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read(tmp_path: Path, name: str, count: int) -> None:
    write_video(tmp_path / name, frames(count), 8, metadata=METADATA)
    assert read_metadata(tmp_path / name) == METADATA


@pytest.mark.parametrize("name", FORMATS)
def test_it_changes_no_frame_and_is_there_only_if_given(tmp_path: Path, name: str) -> None:
    paths = [tmp_path / f"{number}-{name}" for number in range(2)]
    for path, metadata in zip(paths, (None, METADATA), strict=True):
        write_video(path, frames(4), 8, metadata=metadata)
    with pytest.raises(VideoError, match="does not say how it was made"):
        read_metadata(paths[0])
    if name.endswith((".mp4", ".webm", ".mkv", ".gif")):
        shown = [decoded(path) for path in paths]
        assert probe(paths[0]) == probe(paths[1])
    else:
        shown = [pictures(path) for path in paths]
    assert len(shown[0]) == len(shown[1]) == 4
    assert all(np.array_equal(a, b) for a, b in zip(*shown, strict=True))


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def pictures(path: Path) -> list[np.ndarray]:
    if path.is_dir():
        return [np.asarray(Image.open(picture)) for picture in sorted(path.iterdir())]
    found = []
    with Image.open(path) as picture:
        for number in range(picture.n_frames):
            picture.seek(number)
            found.append(np.asarray(picture.convert("RGB")))
    return found


@pytest.mark.parametrize("content", [b"", b"text " * 100, b"GIF89a\x01\x00", b"RIFF\xff\x00\x00\x00WEBPVP8X"])
def test_files_without_it_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    (tmp_path / "empty").mkdir()
    for name in ("clip.mp4", "empty", "missing.mp4"):
        with pytest.raises(VideoError, match=name):
            read_metadata(tmp_path / name)


def test_a_comment_of_another_program_is_none(tmp_path: Path) -> None:
    for comment in ("made on a phone", "[1, 2]", "3"):
        with av.open(str(tmp_path / "clip.mp4"), "w") as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=8)
            stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frames(1)[0], format="rgb24")))
            container.mux(stream.encode(None))
        with pytest.raises(VideoError, match="does not say how it was made"):
            read_metadata(tmp_path / "clip.mp4")
