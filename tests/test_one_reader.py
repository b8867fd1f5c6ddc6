"""Files of all kinds, read for training and sampling (exvideo_infer) and for judging (exvideo_eval): the same frames.

exvideo-eval is a leaf that imports none of its siblings, so it has a reader of its own: it may not differ by a bit.
"""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_eval.video_reader import VideoReadError, iter_clips
from exvideo_eval.video_reader import probe as probe_for_eval
from exvideo_infer import examine, read_clip
from exvideo_infer.video_file import VideoError

from tiny_world.camera_files import TO_2020, pq, write

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")

HEIGHT, WIDTH, FRAMES = 48, 64, 24


def pictures(num_frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A picture of noise that moves right by two pixels a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width, 3), dtype=np.uint8)
    wide = noise.repeat(4, axis=0).repeat(4, axis=1)
    return [wide[:height, 2 * t : 2 * t + width].copy() for t in range(num_frames)]


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def trimmed(ending: str, options: dict[str, str], codec: str | None = None) -> Callable[[Path], Path]:
    """Cut as people cut: by FFmpeg, without encoding anew, in the middle of a group of pictures."""

    def make(folder: Path) -> Path:
        whole = write(folder / "whole.mp4", pictures(60), options=options)
        if codec is not None:
            recoded = folder / "recoded.mp4"
            ffmpeg("-i", whole, "-c:v", codec, "-x265-params", "log-level=error:open-gop=1:keyint=12", recoded)
            whole = recoded
        ffmpeg("-ss", "0.7", "-i", whole, "-c", "copy", folder / f"trimmed{ending}")
        return folder / f"trimmed{ending}"

    return make


def turned(degrees: int) -> Callable[[Path], Path]:
    return lambda folder: write(
        folder / "turned.mp4", pictures(), change=lambda stream: stream.set_display_rotation(degrees)
    )


def squeezed(folder: Path) -> Path:
    def squeeze(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)

    return write(folder / "squeezed.mp4", pictures(), change=squeeze)


def interlaced(folder: Path) -> Path:
    return write(folder / "interlaced.mp4", pictures(), options={"x264-params": "tff=1:interlaced=1"})


def hdr(folder: Path) -> Path:
    codes = [pq((picture / 255.0) ** 2.4 @ TO_2020.T * 203) for picture in pictures(4)]
    frames = [(code * 65535).round().astype(np.uint16) for code in codes]
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    return write(folder / "hdr.mp4", frames, pix_fmt="yuv420p10le", tags=tags)


def uneven(folder: Path) -> Path:
    return write(folder / "uneven.mp4", pictures(12), times=[0, 40, 80, 120, 320, 360, 400, 440, 480, 520, 560, 600])


def odd(folder: Path) -> Path:
    return write(folder / "odd.mkv", pictures(height=47, width=63), pix_fmt="yuv444p")


def made_by(name: str, *options: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        ffmpeg("-i", write(folder / "source.mkv", pictures()), *options, folder / name)
        return folder / name

    return make


def two_tracks_and_a_cover(folder: Path) -> Path:
    small, large = write(folder / "small.mp4", pictures(8, 24, 32)), write(folder / "large.mp4", pictures())
    ffmpeg("-i", large, "-frames:v", "1", folder / "cover.png")
    ffmpeg("-i", small, "-i", folder / "cover.png", "-i", large, "-map", "0", "-map", "1", "-map", "2", "-c", "copy",
           "-disposition:v:1", "attached_pic", folder / "tracks.mp4")  # fmt: skip
    return folder / "tracks.mp4"


ZOO = {
    "plain": lambda folder: write(folder / "plain.mp4", pictures()),
    **{f"turned by {angle}": turned(angle) for angle in (90, 180, 270)},
    "squeezed": squeezed,
    "interlaced": interlaced,
    "hdr": hdr,
    "ten bits": lambda folder: write(folder / "deep.mp4", pictures(), pix_fmt="yuv420p10le"),
    "uneven": uneven,
    "odd": odd,
    "two tracks and a cover": two_tracks_and_a_cover,
    "trimmed": trimmed(".mp4", {"g": "12", "bf": "2"}),
    "trimmed mov": trimmed(".mov", {"g": "12", "bf": "2"}),
    "trimmed mkv": trimmed(".mkv", {"g": "12", "bf": "2"}),
    "trimmed stream": trimmed(".ts", {"g": "12", "bf": "2"}),
    "trimmed open groups": trimmed(".mkv", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
    "trimmed hevc": trimmed(".mkv", {}, "libx265"),
    "gif": made_by("clip.gif"),
    "animated png": made_by("clip.png", "-f", "apng"),
    "vp8": made_by("clip.webm", "-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16"),
    "mpeg-2": made_by("clip.mpg", "-c:v", "mpeg2video", "-bf", "2"),
    "fragments": made_by("clip.mp4", "-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov"),
}  # fmt: skip


SLOW = {"hdr": pytest.mark.long}  # each size of picture has tables of tones of its own, which take seconds to fill


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in ZOO])
def test_both_readers_give_the_same_frames_and_say_the_same(tmp_path: Path, kind: str) -> None:
    path = ZOO[kind](tmp_path)
    for_eval, for_infer = probe_for_eval(path), examine(path)
    info = for_infer.info
    assert (for_eval.num_frames, for_eval.fps) == (info.num_frames, info.fps)
    assert (for_eval.height, for_eval.width) == (info.height, info.width)
    assert for_eval.notes == for_infer.notes
    for size in (None, (20, 20), (96, 64)):
        (frames,) = iter_clips(path, for_eval.num_frames, size)
        assert torch.equal(frames, read_clip(path, size=size))


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path: Path, ending: str) -> None:
    """Of 60 frames at 25 a second, 0.7 s in leaves those from 0.72 s on (0.7 s is within frame 17, shown or not)."""
    path = trimmed(ending, {"g": "12", "bf": "2"})(tmp_path)
    shown = probe_for_eval(path).num_frames
    assert shown in (42, 43)
    (clip,) = iter_clips(path, shown)
    (whole,) = iter_clips(tmp_path / "whole.mp4", 60)
    assert torch.equal(clip, whole[60 - shown :])


@pytest.mark.parametrize("change", [lambda data: data[: len(data) // 2], lambda data: b"words " * 99, lambda data: b""])
def test_both_readers_refuse_the_same_files(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "broken.mp4", pictures())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(VideoReadError, match=r"broken\.mp4"):
        probe_for_eval(path)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        read_clip(path)


def test_both_readers_refuse_a_slant(tmp_path: Path) -> None:
    path = turned(30)(tmp_path)
    with pytest.raises(VideoReadError, match=r"turned by .* no right angle"):
        probe_for_eval(path)
    with pytest.raises(VideoError, match=r"turned by .* no right angle"):
        read_clip(path)
