from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from exvideo_infer.video_file import (
    VideoError,
    VideoInfo,
    check_writable,
    iter_frames,
    iter_frames_at,
    probe,
    read,
    read_clip,
    read_metadata,
    write_video,
)
from PIL import Image

from tiny_world.camera_files import write

HEIGHT, WIDTH = 48, 64


def moving_gradient(num_frames: int) -> list[np.ndarray]:
    """Smooth pictures, so that what comes back differs by the colour conversion and not by lost detail."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return [
        np.stack([2 * y + t, 2 * x + t, 255 - x - y - t], axis=-1).clip(0, 255).astype(np.uint8)
        for t in range(num_frames)
    ]


def write_stored_for_streaming(path: Path, num_frames: int, fps: float = 25) -> None:
    """With its header in front, so that a truncated copy still opens; with key frames and frames out of order."""
    frames = moving_gradient(num_frames)
    noise = np.random.default_rng(0).integers(0, 60, (num_frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    options = {"crf": "20", "g": "12", "bf": "3"}
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame, grain in zip(frames, noise, strict=True):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame // 2 + grain, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "streamed.mp4"
    write_stored_for_streaming(path, 40)
    return path


@pytest.mark.parametrize("fps", [7, 29.97, 30000 / 1001])
def test_what_is_written_is_read(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "clip.mp4"
    frames = moving_gradient(10)
    written = write_video(path, frames, fps)
    assert written == VideoInfo(10, fps, WIDTH, HEIGHT)
    assert probe(path) == VideoInfo(10, pytest.approx(fps, rel=1e-4), WIDTH, HEIGHT)  # type: ignore[arg-type]
    clip = read_clip(path)
    assert clip.dtype == torch.uint8
    assert clip.shape == (10, 3, HEIGHT, WIDTH)
    error = (clip.permute(0, 2, 3, 1).float() - torch.from_numpy(np.stack(frames)).float()).abs()
    assert error.mean() < 1.5
    assert error.max() < 10


@pytest.mark.parametrize(("background", "colour"), [((128, 128, 128), (255, 0, 0)), ((0, 0, 0), (0, 0, 255))])
def test_coloured_things_come_back_where_they_were(
    tmp_path: Path, background: tuple[int, int, int], colour: tuple[int, int, int]
) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (np.hypot(y - 24, x - 32) < 9)[..., None]
    picture = np.where(disc, colour, background).astype(np.uint8)
    write_video(tmp_path / "disc.mp4", [picture] * 2, fps=8)
    back = read_clip(tmp_path / "disc.mp4")[0].permute(1, 2, 0).numpy()

    def centre(pixels: np.ndarray) -> tuple[float, float]:
        weight = np.abs(pixels.astype(float) - background).sum(axis=-1)
        return (weight * y).sum() / weight.sum(), (weight * x).sum() / weight.sum()

    assert np.abs(np.subtract(centre(back), centre(picture))).max() < 0.1  # as far as with colours of full size


def test_pictures_arrays_and_tensors_make_the_same_file(tmp_path: Path) -> None:
    frames = moving_gradient(3)
    kinds: list[Any] = [
        frames,
        [Image.fromarray(frame) for frame in frames],
        [torch.from_numpy(frame) for frame in frames],
        [frame.astype(np.float32) / 255 for frame in frames],  # a pipeline's "np"
        [torch.from_numpy(frame).permute(2, 0, 1) / 255 for frame in frames],  # and its "pt"
    ]
    for index, kind in enumerate(kinds):
        write_video(tmp_path / f"{index}.mp4", kind, 10)
    files = {(tmp_path / f"{index}.mp4").read_bytes() for index in range(len(kinds))}
    assert len(files) == 1


@pytest.mark.parametrize("start", range(0, 40, 3))
def test_a_part_is_that_part_of_the_whole(streamed: Path, start: int) -> None:
    whole = read_clip(streamed)
    assert torch.equal(read_clip(streamed, start, 1), whole[start : start + 1])
    assert torch.equal(read_clip(streamed, start), whole[start:])


def test_size_covers_and_crops_at_the_centre(tmp_path: Path) -> None:
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:, 20:60] = 255
    write_video(tmp_path / "wide.mp4", [frame] * 2, 10)
    square = read_clip(tmp_path / "wide.mp4", size=(20, 20))
    assert square.shape == (2, 3, 20, 20)
    assert square.float().mean() > 250
    tall = read_clip(tmp_path / "wide.mp4", size=(40, 10))
    assert tall.shape == (2, 3, 40, 10)
    assert tall.float().mean() > 250
    assert read_clip(tmp_path / "wide.mp4", size=(60, 120))[0, 0, 30].float()[:25].max() < 30


def test_frames_come_one_by_one(streamed: Path) -> None:
    assert next(iter_frames(streamed)).shape == (HEIGHT, WIDTH, 3)
    assert sum(1 for _ in iter_frames(streamed, 30)) == 10


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_are_counted_where_the_header_does_not_say(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    options = {"movflags": "frag_keyframe+empty_moov"} if suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame in moving_gradient(9):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(path).num_frames == 9
    assert read_clip(path, 4).shape[0] == 5


def refusal(path: Path, start: int = 0, num_frames: int | None = None) -> str:
    with pytest.raises(VideoError) as caught:
        read_clip(path, start, num_frames)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("content", [b"", b"not a video" * 500], ids=["empty", "text"])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    refusal(path)
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        probe(path)


def test_missing_files_folders_and_sound_are_named(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing.mp4")
    assert "not a file" in refusal(tmp_path)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    assert "no video stream" in refusal(tmp_path / "sound.wav")


def test_a_file_cut_short_is_refused_but_its_beginning_can_be_read(streamed: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(streamed.read_bytes()[: streamed.stat().st_size * 6 // 10])
    refusal(path)
    refusal(path, num_frames=40)
    refusal(path, start=20, num_frames=20)
    assert torch.equal(read_clip(path, 0, 10), read_clip(streamed, 0, 10))


def test_a_file_cut_short_with_its_header_behind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.mp4", moving_gradient(20))
    path.write_bytes(path.read_bytes()[:-200])
    refusal(path)


def test_damage_in_the_middle_is_refused(streamed: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    content = np.frombuffer(streamed.read_bytes(), np.uint8).copy()
    a_fifth = slice(content.size * 2 // 5, content.size * 3 // 5)
    content[a_fifth] = np.random.default_rng(0).integers(0, 256, content[a_fifth].size)
    path.write_bytes(content.tobytes())
    refusal(path)


def test_damage_that_the_decoder_would_paint_over_is_refused(streamed: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    whole = streamed.read_bytes()
    messages = []
    for tenth in range(2, 10):
        content, here = bytearray(whole), len(whole) * tenth // 10
        content[here : here + 3] = bytes(byte ^ 0x5A for byte in content[here : here + 3])
        path.write_bytes(content)
        try:
            read_clip(path)
        except VideoError as error:
            messages.append(str(error))
    assert any("damaged at frame" in message for message in messages)


@pytest.mark.parametrize(("start", "num_frames"), [(0, 41), (30, 11), (40, None), (40, 1), (-1, 1), (0, 0)])
def test_frames_that_are_not_there_are_refused(streamed: Path, start: int, num_frames: int | None) -> None:
    refusal(streamed, start, num_frames)


def interrupted() -> Iterator[np.ndarray]:
    yield from moving_gradient(120)  # more than the encoder holds back, so that there is a file to leave behind
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(KeyboardInterrupt):
        write_video(path, interrupted(), 10)
    assert list(tmp_path.iterdir()) == []
    write_video(path, moving_gradient(4), 10)
    with pytest.raises(KeyboardInterrupt):
        write_video(path, interrupted(), 10)
    assert list(tmp_path.iterdir()) == [path]
    assert probe(path).num_frames == 4


GOOD = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("frames", "fps", "complaint"),
    [
        ([], 10, "No frames"),
        ([GOOD], 0, "0 frames a second"),
        ([GOOD], float("nan"), "nan frames a second"),
        ([GOOD[:15]], 10, "even"),
        ([GOOD, GOOD[:8]], 10, "16x8"),
        ([GOOD - 0.5], 10, "float64 from -0.5 to -0.5: give floats in"),
        ([GOOD + 1.5], 10, "float64 from 1.5 to 1.5"),
        ([GOOD + np.nan], 10, "nan"),
        ([GOOD.astype(np.int64)], 10, "int64"),
        ([GOOD[..., :1]], 10, "uint8"),
        ([torch.zeros(3, 16, 16, dtype=torch.uint8)], 10, "uint8"),
    ],
)
def test_frames_that_make_no_video_are_refused(
    tmp_path: Path, frames: list[np.ndarray], fps: float, complaint: str
) -> None:
    with pytest.raises(VideoError, match=complaint):
        write_video(tmp_path / "clip.mp4", frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    for path, complaint in {
        tmp_path / "missing" / "clip.mp4": "no folder",
        tmp_path / "file" / "clip.mp4": "no folder",
        tmp_path / "folder.mp4": "is a folder",
        tmp_path / "clip.avi": "give .mp4, .webm",
    }.items():
        with pytest.raises(VideoError, match=complaint):
            check_writable(path)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # a real one would not stop a test that runs as root
    with pytest.raises(VideoError, match="Permission denied"):
        check_writable(tmp_path / "clip.mp4")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "clip.mkv", "clip.gif", "clip.webp"])
def test_the_same_frames_become_the_same_file(tmp_path: Path, name: str) -> None:
    rows = np.linspace(0, 200, 64, dtype=np.uint8)[None, :, None, None]
    frames = (rows + np.arange(0, 32, 2, dtype=np.uint8)[:, None, None, None]).repeat(64, axis=2).repeat(3, axis=3)
    written = set()
    for _ in range(8):
        write_video(tmp_path / name, list(frames), 8.0)
        written.add((tmp_path / name).read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize(
    ("places", "most"),
    [
        (range(90), 90),
        (range(30, 50), 50 - 12 + 8),  # from a key frame before; the decoder's threads may be ahead
        (range(0, 90, 4), 90),
        ([*range(5), *range(80, 90)], 5 + 8 + 90 - 72),  # over a gap with key frames in it
        ([89], 90 - 84 + 8),
        ([], 0),
    ],
)
def test_some_frames_are_read_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: Any, most: int
) -> None:
    path = tmp_path / "streamed.mp4"
    write_stored_for_streaming(path, 90)
    whole, decoded = list(iter_frames(path, size=(24, 24))), 0
    decoded_packets = read.decoded_packets

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal decoded
        for packet, frames in decoded_packets(*arguments):
            decoded += len(frames)
            yield packet, frames

    monkeypatch.setattr(read, "decoded_packets", counted)
    found = list(iter_frames_at(path, places, (24, 24)))
    assert len(found) == len(places)
    assert all(np.array_equal(frame, whole[place]) for frame, place in zip(found, places, strict=True))
    assert decoded <= most


def test_a_frame_beyond_the_end_is_named_after_those_before_it(streamed: Path) -> None:
    frames = iter_frames_at(streamed, [3, 39, 40])
    assert next(frames).shape == next(frames).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(VideoError, match="has too few frames: frame 40 was asked for, and cannot be read"):
        next(frames)


@pytest.mark.parametrize("name", ["12:30.mp4", "12:30.gif"])
def test_what_ffmpeg_takes_for_a_protocol_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(name, moving_gradient(3), 8, metadata={"seed": 3})
    assert probe(name).num_frames == 3
    assert read_metadata(name) == {"seed": 3}
