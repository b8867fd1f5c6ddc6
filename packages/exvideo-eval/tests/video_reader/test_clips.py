"""Clips of a file: consecutive, resized as they come, and refused with a reason where the file cannot be trusted."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from exvideo_eval.video_reader import Decoding, VideoInfo, VideoReadError, iter_clips, probe


@pytest.fixture
def video(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    return write_video(tmp_path / "good.mp4", moving_clip(0, num_frames=20), fps=10)


def test_frames_come_back_in_order_and_close_to_what_was_written(
    video: Path, moving_clip: Callable[..., np.ndarray]
) -> None:
    (clip,) = iter_clips(video, 20)
    assert tuple(clip.shape) == (20, 3, 32, 32)
    read = clip.permute(0, 2, 3, 1).numpy().mean(axis=-1)
    written = moving_clip(0, num_frames=20).mean(axis=-1)
    errors = np.abs(read[:, None] - written[None]).mean(axis=(2, 3))
    assert errors.argmin(axis=1).tolist() == list(range(20))
    assert errors.diagonal().max() < 12


def test_a_file_is_described(video: Path) -> None:
    assert probe(video) == VideoInfo(20, 10.0, 32, 32, "h264", "yuv420p")


def test_a_description_needs_the_whole_file(video: Path) -> None:
    decoding = Decoding(video)
    next(decoding.frames())
    with pytest.raises(RuntimeError, match="has not been decoded to its end"):
        decoding.info  # noqa: B018 - raises


def test_clips_are_consecutive_and_an_incomplete_one_is_dropped(video: Path) -> None:
    clips = list(iter_clips(video, 9, (32, 32)))
    assert len(clips) == 2
    assert torch.equal(torch.cat(clips), torch.cat(list(iter_clips(video, 18))))


def test_a_clip_that_was_given_out_is_not_written_over(video: Path) -> None:
    clips = iter_clips(video, 9)
    first = next(clips)
    copy = first.clone()
    next(clips)
    assert torch.equal(first, copy)


@pytest.mark.parametrize(("size", "covered"), [((16, 16), (16, 32)), ((32, 32), (32, 64)), ((10, 40), (20, 40))])
def test_resize_covers_and_cuts_from_the_centre(
    tmp_path: Path, write_video: Callable[..., Path], size: tuple[int, int], covered: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, 48).round().astype(np.uint8)
    path = write_video(tmp_path / "ramp.mp4", np.broadcast_to(ramp[None, None, :, None], (2, 24, 48, 3)))
    (cut,) = iter_clips(path, 2, size)
    assert cut.shape == (2, 3, *size)
    # The ramp's centre stays in the centre, and its slope shrinks with the scale.
    assert cut.float().mean().item() == pytest.approx(127.5, abs=2)
    slope = (cut[0, 0, 0, -1].float() - cut[0, 0, 0, 0].float()).item()
    assert slope == pytest.approx(255 * (size[1] - 1) / covered[1], abs=10)


def test_fine_detail_is_averaged_away_and_not_sampled(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    """Rows of black and white, one pixel each: shrunk by 8 they are grey, wherever the samples fall."""
    stripes = np.zeros((2, 128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    (shown,) = iter_clips(write_video(tmp_path / "stripes.mp4", stripes), 2, (16, 16))
    assert shown.float().mean().item() == pytest.approx(127.5, abs=8)
    assert shown.float().std().item() < 8  # the outermost rows have nothing beyond them to be averaged with


def test_large_clips_are_resized_as_they_come(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    """64 frames of 640x480 are 59 MB as pixels; compared at 32x32, no more than some frames are ever there."""
    path = tmp_path / "large.mp4"
    rng = np.random.default_rng(0)
    write_video(path, np.broadcast_to(rng.integers(0, 255, (1, 480, 640, 3), dtype=np.uint8), (64, 480, 640, 3)))
    tracemalloc.start()
    (clip,) = iter_clips(path, 64, (32, 32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.shape == (64, 3, 32, 32)
    assert peak < 4e6


def damaged(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    made = path.with_name(name)
    made.write_bytes(change(path.read_bytes()))
    return made


def test_damage_is_told_by_file_and_reason(
    video: Path, tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    fast = write_video(tmp_path / "fast.mp4", moving_clip(0, num_frames=20), faststart=True)
    cases = {
        damaged(video, "empty.mp4", lambda _: b""): "is corrupt or not a video",
        damaged(video, "text.mp4", lambda _: b"a caption\n" * 9): "is corrupt or not a video",
        damaged(video, "half.mp4", lambda data: data[: len(data) // 2]): "is corrupt or not a video",
        damaged(fast, "tail.mp4", lambda data: data[: len(data) * 9 // 10]): "is truncated: its index reaches byte",
        damaged(video, "noise.mp4", lambda data: data[:1500] + bytes(range(256)) * 4 + data[2524:]): "is corrupt",
        tmp_path: "is a folder that cannot be read",
    }
    for path, reason in cases.items():
        with pytest.raises(VideoReadError) as error:
            list(iter_clips(path, 8, (32, 32)))
        assert error.value.file == path.name
        assert reason in error.value.reason


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    from matplotlib.image import imsave

    imsave(tmp_path / "frame.png", np.zeros((16, 16, 3), dtype=np.uint8))
    with pytest.raises(VideoReadError, match="is not a video: it is a picture or text"):
        probe(tmp_path / "frame.png")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoReadError, match="it has no video stream"):
        probe(path)


def test_a_short_video_is_told_by_its_length(video: Path) -> None:
    with pytest.raises(VideoReadError, match="has 20 frames, fewer than the 21 that are compared"):
        list(iter_clips(video, 21, (32, 32)))
