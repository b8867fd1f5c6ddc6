"""Files of phones, cameras and broadcasts: what is read is what a player shows."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from exvideo_infer.video_file import VideoError, examine, iter_frames, iter_frames_at, probe, read_clip

from tiny_world.camera_files import TO_2020, pq, write

HEIGHT, WIDTH, FRAMES = 48, 64, 12


def pictures(num_frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A red corner, top left, a blue one, bottom right, and a white bar that moves on green by two pixels a frame."""
    found = []
    for t in range(num_frames):
        picture = np.full((height, width, 3), (40, 120, 60), np.uint8)
        picture[: height // 4, : width // 4] = (200, 30, 30)
        picture[-(height // 4) :, -(width // 4) :] = (30, 30, 200)
        picture[height // 3 : 2 * height // 3, 2 * t : 2 * t + 8] = 230
        found.append(picture)
    return found


def assert_shown(path: Path, expected: list[np.ndarray], tolerance: float = 12) -> None:
    found = list(iter_frames(path))
    assert [frame.shape for frame in found] == [picture.shape for picture in expected]
    info = probe(path)
    assert (info.height, info.width) == expected[0].shape[:2]
    apart = np.abs(np.stack(found).astype(float) - np.stack(expected))
    assert np.quantile(apart, 0.95) <= tolerance  # edges of colours are blurred in yuv420p
    assert apart.mean() < 3


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3), (270, 3)])
def test_a_turned_phone_clip_is_upright(tmp_path: Path, degrees: int, turns: int) -> None:
    stored = [np.rot90(picture, -turns).copy() for picture in pictures()]
    path = write(tmp_path / "phone.mp4", stored, change=lambda stream: stream.set_display_rotation(degrees))
    assert_shown(path, pictures())
    assert any(note.startswith("turned by") for note in examine(path).notes)
    clip = read_clip(path, 3, 2, (24, 32))
    assert clip.shape == (2, 3, 24, 32)
    red, blue = clip[0, :, 2, 2].tolist(), clip[0, :, -3, -3].tolist()
    assert red[0] > 150 > 80 > red[2]
    assert blue[2] > 150 > 80 > blue[0]


def test_a_mirrored_clip_is_mirrored_back(tmp_path: Path) -> None:
    stored = [picture[:, ::-1].copy() for picture in pictures()]
    matrix = (-1, 0, 0, 0, 1, 0, 0, 0, 1)
    units = [value * (1 << 30 if place % 3 == 2 else 1 << 16) for place, value in enumerate(matrix)]
    path = write(tmp_path / "mirror.mp4", stored, change=lambda stream: stream.set_display_matrix(units))
    assert_shown(path, pictures())
    assert "mirrored" in examine(path).notes


def test_a_slanted_clip_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "slanted.mp4", pictures(), change=lambda stream: stream.set_display_rotation(30))
    with pytest.raises(VideoError, match=r"slanted\.mp4 is to be shown turned by .* no right angle"):
        read_clip(path)


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(16, 11)])
def test_a_disc_of_an_anamorphic_clip_is_round(tmp_path: Path, aspect: Fraction) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    round_on_screen = np.hypot((y - 24) / float(min(1, 1 / aspect)), (x - 32) * float(max(1, aspect))) < 20
    disc = np.where(np.hypot((y - 24), (x - 32) * float(aspect)) < 14, 255, 0)
    assert round_on_screen.any()
    picture = np.repeat(disc[..., None], 3, axis=2).astype(np.uint8)

    def squeeze(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    path = write(tmp_path / "squeezed.mp4", [picture] * 3, change=squeeze)
    shown = read_clip(path)[0, 1].numpy() > 127
    height, width = shown.any(axis=1).sum(), shown.any(axis=0).sum()
    assert abs(int(height) - int(width)) <= 2
    info = probe(path)
    assert info.width / info.height == pytest.approx(float(aspect) * WIDTH / HEIGHT, rel=0.02)
    assert min(info.width / WIDTH, info.height / HEIGHT) == 1  # nothing is made smaller
    assert any("made square" in note for note in examine(path).notes)


def test_ten_bits_are_read_as_eight(tmp_path: Path) -> None:
    path = write(tmp_path / "deep.mp4", pictures(), pix_fmt="yuv420p10le")
    assert_shown(path, pictures())
    assert examine(path).notes == ("10 bits a colour, read as 8",)


def test_full_range_is_read_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "full.mp4", pictures(), pix_fmt="yuvj420p", tags={"color_range": ColorRange.JPEG})
    assert_shown(path, pictures())


def hlg(scene: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, table 5: the light of a scene, 1 at the peak, to code values."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_comes_back_in_the_tones_of_a_screen(tmp_path: Path, transfer: int) -> None:
    """Grey and soft colours of a screen, written as HDR with a reference white of 203 cd/m2 (ITU-R BT.2408)."""
    colours = np.array([[0, 0, 0], [64, 64, 64], [128, 128, 128], [180, 180, 180], [150, 100, 100], [100, 140, 110]])
    light = (colours / 255) ** 2.4 @ TO_2020.T * 203
    luminance = light @ [0.2627, 0.678, 0.0593]
    # HLG's scene light: the display of 1000 cd/m2 has a gamma of 1.2 (BT.2100, table 5, note 5f).
    scene = light / 1000 * np.maximum(luminance / 1000, 1e-9)[:, None] ** (1 / 1.2 - 1)
    codes = pq(light) if transfer == 16 else hlg(scene)
    row = np.repeat((codes * 65535).round().astype(np.uint16), 16, axis=0)
    picture = np.repeat(row[None], 16, axis=0)
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    path = write(tmp_path / "hdr.mp4", [picture] * 2, pix_fmt="yuv420p10le", tags=tags)
    shown = read_clip(path)[0].numpy()[:, 8, 8::16].T
    print(shown.tolist(), colours.tolist())
    assert np.abs(shown.astype(int) - colours).max() <= 16
    assert any(note.startswith("HDR (PQ)" if transfer == 16 else "HDR (HLG)") for note in examine(path).notes)


def test_interlaced_frames_are_made_whole(tmp_path: Path) -> None:
    """Lines of two moments in one frame: a bar's edges are combed, unless they are told apart."""
    moments = pictures(2 * FRAMES)
    woven = []
    for first, second in zip(moments[::2], moments[1::2], strict=True):
        frame = first.copy()
        frame[1::2] = second[1::2]
        woven.append(frame)
    options = {"x264-params": "tff=1:interlaced=1"}
    path = write(tmp_path / "broadcast.mp4", woven, options=options)
    assert any(note.startswith("interlaced") for note in examine(path).notes)
    frames = list(iter_frames(path))
    for start in (1, FRAMES // 2, FRAMES - 1):  # with the frame before it, wherever the reading begins
        assert np.array_equal(next(iter_frames_at(path, [start])), frames[start])
    found = list(iter_frames(path))
    assert len(found) == FRAMES

    def comb(frames: list[np.ndarray]) -> float:
        grey = np.stack(frames).astype(float).mean(axis=-1)[:, 18:30]
        return float(np.abs(2 * grey[:, 1:-1] - grey[:, :-2] - grey[:, 2:]).mean())

    assert comb(found) < 0.3 * comb(woven)
    assert np.array_equal(np.stack(list(iter_frames(path, 0, 5))), np.stack(found[:5]))
    assert len(list(iter_frames(path, 4, 6))) == 6


def test_a_variable_rate_is_noted(tmp_path: Path) -> None:
    times = [0, 40, 80, 120, 320, 360, 400, 440, 480, 520, 560, 600]
    path = write(tmp_path / "jumps.mp4", pictures(), times=times)
    examined = examine(path)
    assert examined.info.num_frames == FRAMES
    assert examined.notes == ("a variable rate, 5 to 25 frames a second, taken one by one",)


def test_an_odd_size_is_read(tmp_path: Path) -> None:
    odd = pictures(height=47, width=63)
    path = write(tmp_path / "odd.mkv", odd, pix_fmt="yuv444p")
    assert_shown(path, odd)
    assert examine(path).notes == ("an odd size, 63x47",)


def test_the_largest_stream_is_the_video(tmp_path: Path) -> None:
    small = [picture[::3, ::4].copy() for picture in pictures()]
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as container:
        streams = []
        for frames, rate in ((small[:3], 5), (pictures(), 25)):
            stream = container.add_stream("libx264", rate=rate, options={"crf": "4"})
            stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
            streams.append((stream, frames))
        for stream, frames in streams:
            for pixels in frames:
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU601
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert probe(path).num_frames == FRAMES
    assert_shown(path, pictures())


def with_a_cover(path: Path, frames: list[np.ndarray]) -> Path:
    cover = av.VideoFrame.from_ndarray(pictures(1, 96, 128)[0], format="rgb24")
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mjpeg", rate=1)
        picture.height, picture.width, picture.pix_fmt = 96, 128, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        stream = None
        if frames:
            stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        container.mux(picture.encode(cover.reformat(format="yuvj420p")))
        container.mux(picture.encode(None))
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601)))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = with_a_cover(tmp_path / "film.mp4", pictures())
    assert probe(path).num_frames == FRAMES
    assert_shown(path, pictures())
    with pytest.raises(VideoError, match="a cover picture"):
        probe(with_a_cover(tmp_path / "song.mp4", []))


def test_text_of_a_video_s_name_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("A list of clips.\n" * 200)
    with pytest.raises(VideoError, match=r"notes\.mp4 is not a video"):
        probe(tmp_path / "notes.mp4")


def test_a_stream_without_times_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "bare.h264"), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for pixels in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"bare\.h264 says of no frame when it is shown: put it into a container"):
        examine(tmp_path / "bare.h264")


def damaged(path: Path, place: int, num_frames: int = 40) -> Path:
    """A file whose key frames are 10 apart, with zeros in the packet of one frame."""
    write(path, pictures(num_frames), options={"g": "10", "bf": "0"})
    with av.open(str(path)) as container:
        entry = sorted(container.streams.video[0].index_entries, key=lambda entry: entry.pos)[place]
        pos, size = entry.pos, entry.size
    content = bytearray(path.read_bytes())
    content[pos : pos + size] = bytes(size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", [5, 20, 39])
def test_a_damaged_frame_is_found_and_the_others_are_read(tmp_path: Path, place: int) -> None:
    path = damaged(tmp_path / "scratched.mp4", place)
    examined = examine(path)
    assert examined.info.num_frames == 40
    assert place in examined.damaged
    assert set(examined.damaged) <= set(range(place, 40 if place % 10 else place + 10))
    assert examined.notes[-1].startswith(f"damaged at frame {place}")
    sound = [place for place in range(40) if place not in examined.damaged]
    shown = dict(zip(sound, iter_frames_at(path, sound, None, examined.damaged), strict=True))
    for first, *others in (sound, [place for place in sound if place >= 25]):
        alone = iter_frames_at(path, [first, *others], None, examined.damaged)
        assert all(np.array_equal(frame, shown[at]) for at, frame in zip([first, *others], alone, strict=True))
    whole = [start for start in range(33) if not set(range(start, start + 8)) & set(examined.damaged)]
    assert len(whole) >= 15
    for start in (whole[0], whole[-1]):
        assert np.abs(read_clip(path, start, 8).permute(0, 2, 3, 1).numpy().astype(float)
                      - np.stack(pictures(40)[start : start + 8])).mean() < 3  # fmt: skip
    with pytest.raises(VideoError):
        read_clip(path, max(0, place - 7), 8)


def test_frames_that_a_truncated_file_still_has_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write(path, pictures(40), options={"g": "10"})
    moved = tmp_path / "moved.mp4"
    with av.open(str(path)) as source, av.open(str(moved), "w", options={"movflags": "faststart"}) as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    content = moved.read_bytes()
    moved.write_bytes(content[: len(content) * 2 // 3])
    examined = examine(moved)
    assert 10 <= examined.info.num_frames < 35
    assert f"40 frames promised, {examined.info.num_frames} there" in examined.notes
    assert read_clip(moved, 0, 8).shape[0] == 8


def test_dropped_frames_of_an_avi_are_not_promised(tmp_path: Path) -> None:
    path = tmp_path / "drops.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"g": "1"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number, pixels in enumerate(pictures(20)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts = number if number < 10 else number + 15  # the muxer fills the hole with packets of no bytes
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert probe(path).num_frames == examine(path).info.num_frames == 20
    assert read_clip(path).shape[0] == 20
    assert read_clip(path, 12, 8).shape[0] == 8
