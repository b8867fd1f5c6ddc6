"""Formats, colours and settings of the files that are written."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from exvideo_infer import VideoError, VideoInfo, probe, read_clip, write_video
from PIL import Image, ImageSequence

HEIGHT, WIDTH = 48, 64
FLAT = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (224, 172, 105))


def gradient(num_frames: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    y, x = np.mgrid[:height, :width]
    return [
        np.stack([2 * y + t, 2 * x + t, 255 - x - y - t], axis=-1).clip(0, 255).astype(np.uint8)
        for t in range(num_frames)
    ]


def noise(num_frames: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8))


def frames_of(path: Path) -> np.ndarray:
    """Frames as a reader has them: through PyAV, or Pillow for what FFmpeg does not read."""
    if path.is_dir():
        return np.stack([np.asarray(Image.open(picture)) for picture in sorted(path.iterdir())])
    if path.suffix == ".webp":
        with Image.open(path) as picture:
            return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)])
    return read_clip(path).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "clip.mkv", "clip.gif", "clip.webp", "clip"])
def test_six_flat_colours_come_back(tmp_path: Path, name: str) -> None:
    for number, colour in enumerate(FLAT):
        path = tmp_path / f"{number}-{name}"
        write_video(path, [np.full((32, 48, 3), colour, np.uint8)] * 3, fps=10)
        assert np.abs(frames_of(path).astype(int) - colour).max() <= 2


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_every_pixel_format_of_an_mp4_has_those_colours(tmp_path: Path, pixel_format: str) -> None:
    for colour in FLAT:
        write_video(tmp_path / "c.mp4", [np.full((32, 48, 3), colour, np.uint8)] * 3, 10, pixel_format=pixel_format)
        assert np.abs(frames_of(tmp_path / "c.mp4").astype(int) - colour).max() <= 2
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert container.streams.video[0].pix_fmt == pixel_format


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm"])
def test_the_tags_are_those_of_the_conversion(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_video(path, gradient(2), 10)
    with av.open(str(path)) as container:
        stream = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
    bt709, limited = 1, 1
    for tagged in (stream, frame):
        tags = (tagged.colorspace, tagged.color_primaries, tagged.color_trc, tagged.color_range)
        assert tags == (bt709, bt709, bt709, limited)
    luma = frame.reformat(format="yuv420p").to_ndarray()[:HEIGHT].astype(float)  # no conversion: the stored planes
    red, green, blue = np.moveaxis(gradient(1)[0].astype(float), -1, 0)
    expected = 16 + 219 / 255 * (0.2126 * red + 0.7152 * green + 0.0722 * blue)  # ITU-R BT.709, table 4
    assert np.abs(luma - expected).mean() < 1


def test_the_reader_goes_by_the_tags(tmp_path: Path) -> None:
    """The planes of one colour by two matrices and two ranges, tagged: one colour comes back."""
    colour = np.array([200.0, 60.0, 90.0])
    for matrix, (kr, kb) in {1: (0.2126, 0.0722), 6: (0.299, 0.114)}.items():
        for limits in (1, 2):
            luma = kr * colour[0] + (1 - kr - kb) * colour[1] + kb * colour[2]
            cb, cr = (colour[2] - luma) / (2 - 2 * kb), (colour[0] - luma) / (2 - 2 * kr)
            scale = (219 / 255, 224 / 255, 16) if limits == 1 else (1, 1, 0)
            planes = (scale[2] + scale[0] * luma, 128 + scale[1] * cb, 128 + scale[1] * cr)
            path = tmp_path / f"{matrix}-{limits}.mp4"
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=5, options={"crf": "1"})
                stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv444p"
                stream.codec_context.colorspace, stream.codec_context.color_range = matrix, limits
                values = np.stack([np.full((32, 32), round(plane), np.uint8) for plane in planes])
                frame = av.VideoFrame.from_ndarray(values, format="yuv444p")
                frame.colorspace, frame.color_range = matrix, limits
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            assert np.abs(frames_of(path)[0] - colour).max() <= 2


def test_the_header_of_an_mp4_is_in_front_of_its_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", noise(20), 10, metadata={"prompt": "x" * 5000})
    content, at, boxes = (tmp_path / "clip.mp4").read_bytes(), 0, []
    while at < len(content):
        boxes.append(content[at + 4 : at + 8].decode())
        at += int.from_bytes(content[at : at + 4], "big")
    assert boxes.index("moov") < boxes.index("mdat")


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webp", "clip"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_lossless_is_bit_for_bit(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    frames = noise(5, *size)
    assert write_video(tmp_path / name, frames, 10) == VideoInfo(5, 10, size[1], size[0])
    np.testing.assert_array_equal(frames_of(tmp_path / name), np.stack(frames))


@pytest.mark.parametrize(("name", "furthest"), [("clip.webm", 2), ("clip.gif", 6), ("clip.webp", 0)])
def test_what_is_written_is_read(tmp_path: Path, name: str, furthest: float) -> None:
    frames = gradient(12)
    write_video(tmp_path / name, frames, 8)
    shown = frames_of(tmp_path / name)
    assert np.abs(shown.astype(float) - np.stack(frames)).mean() <= furthest
    with Image.open(tmp_path / name) if name != "clip.webm" else av.open(str(tmp_path / name)) as file:
        if isinstance(file, Image.Image):
            assert file.info["loop"] == 0
            waits = 0
            for frame in ImageSequence.Iterator(file):
                frame.load()
                waits += frame.info["duration"]
            assert waits == pytest.approx(12_000 / 8, abs=10)
        else:
            assert float(file.streams.video[0].average_rate) == 8


@pytest.mark.parametrize("name", ["clip.webm", "clip.mkv", "clip.gif", "clip.webp"])
def test_odd_sizes_are_written_where_the_format_has_them(tmp_path: Path, name: str) -> None:
    assert write_video(tmp_path / name, gradient(3, 47, 63), 10) == VideoInfo(3, 10, 63, 47)
    assert frames_of(tmp_path / name).shape[1:] == (47, 63, 3)


def test_an_mp4_of_an_odd_size_is_refused_with_the_way_out(tmp_path: Path) -> None:
    odd = gradient(2, 47, 63)
    with pytest.raises(VideoError, match=r"63x47: H\.264 in yuv420p needs an even height .* yuv444p"):
        write_video(tmp_path / "clip.mp4", odd, 10)
    write_video(tmp_path / "clip.mp4", odd, 10, pixel_format="yuv444p")
    assert frames_of(tmp_path / "clip.mp4").shape == (2, 47, 63, 3)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm"])
def test_crf_trades_size_for_likeness(tmp_path: Path, name: str) -> None:
    frames, found = noise(6), {}
    for crf in (4, 40):
        write_video(tmp_path / name, frames, 10, crf=crf)
        error = np.abs(frames_of(tmp_path / name).astype(float) - np.stack(frames)).mean()
        found[crf] = (tmp_path / name).stat().st_size, error
    assert found[4][0] > 2 * found[40][0]
    assert found[4][1] < found[40][1]


def test_a_format_that_is_named_goes_before_the_suffix(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.part", gradient(2), 10, format="webm")
    with av.open(str(tmp_path / "clip.part")) as container:
        assert container.streams.video[0].codec_context.name == "vp9"


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("clip.mp4", {"crf": 52}, "crf is 52: .* takes 0, the best, to 51"),
        ("clip.mp4", {"pixel_format": "rgb24"}, "pixel_format is 'rgb24': .* takes yuv420p"),
        ("clip.gif", {"crf": 20}, "GIF, which has no crf"),
        ("clip.mkv", {"pixel_format": "yuv420p"}, "takes bgr0"),
        ("clip.mp4", {"format": "avi"}, "format is 'avi': choose from mp4, webm, mkv, gif, webp, png"),
        ("clip.gif", {"fps": 60}, "60 frames a second: GIF takes 0.01 to 50"),
        ("clip.mp4", {"fps": 1e9}, "1000000000.0 frames a second: MP4 .* takes 0.01 to 1000"),
        ("clip.mp4", {"fps": float("inf")}, "inf frames a second"),
        ("clip.mp4", {"metadata": {"value": float("nan")}}, "cannot be written as JSON"),
        ("clip.mp4", {"metadata": {"value": Path()}}, "cannot be written as JSON"),
        ("clip.png", {}, r"ends in \.png, which is not written: .* no suffix for a folder of PNG frames"),
    ],
)
def test_what_a_format_has_not_is_refused(
    tmp_path: Path, name: str, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(VideoError, match=complaint):
        write_video(tmp_path / name, gradient(1), **({"fps": 10} | settings))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_video(tmp_path / "empty", gradient(2), 10)
    assert len(list((tmp_path / "empty").iterdir())) == 2
    with pytest.raises(VideoError, match="is there already, and PNG frames need a new folder"):
        write_video(tmp_path / "empty", gradient(3), 10)
    assert len(list((tmp_path / "empty").iterdir())) == 2


@pytest.mark.parametrize("name", ["clip.webm", "clip.mkv", "clip.gif", "clip.webp", "clip"])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, name: str) -> None:
    def interrupted() -> Iterator[np.ndarray]:
        yield from noise(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / name, interrupted(), 10)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written: File name too long"):
        write_video(tmp_path / f"{'x' * 255}.mp4", gradient(2), 10)
    assert list(tmp_path.iterdir()) == []
    longest = tmp_path / f"{'x' * 251}.mp4"
    write_video(longest, gradient(2), 10)
    assert probe(longest).num_frames == 2
