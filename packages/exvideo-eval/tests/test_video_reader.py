from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.video_reader import VideoInfo, VideoReadError, cover_and_crop, iter_chunks, iter_clips, probe


@pytest.fixture
def video(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    return write_video(tmp_path / "good.mp4", moving_clip(0, num_frames=20), fps=10)


def test_frames_come_back_in_order_and_close_to_what_was_written(
    video: Path, moving_clip: Callable[..., np.ndarray]
) -> None:
    chunks = list(iter_chunks(video, 8))
    assert [tuple(chunk.shape) for chunk in chunks] == [(8, 3, 32, 32), (8, 3, 32, 32), (4, 3, 32, 32)]
    read = torch.cat(chunks).permute(0, 2, 3, 1).numpy().mean(axis=-1)
    written = moving_clip(0, num_frames=20).mean(axis=-1)
    errors = np.abs(read[:, None] - written[None]).mean(axis=(2, 3))
    assert errors.argmin(axis=1).tolist() == list(range(20))
    assert errors.diagonal().max() < 12


def test_probe(video: Path) -> None:
    assert probe(video) == VideoInfo(20, 10.0, 32, 32)


def test_clips_are_consecutive_and_an_incomplete_one_is_dropped(video: Path) -> None:
    clips = list(iter_clips(video, 9, (32, 32)))
    assert len(clips) == 2
    assert torch.equal(torch.cat(clips), torch.cat(list(iter_chunks(video, 18)))[:18])


@pytest.mark.parametrize(("size", "covered"), [((16, 16), (16, 32)), ((32, 32), (32, 64)), ((10, 40), (20, 40))])
def test_resize_covers_and_cuts_from_the_centre(size: tuple[int, int], covered: tuple[int, int]) -> None:
    ramp = torch.linspace(0, 255, 48).round().byte().expand(1, 3, 24, 48)
    cut = cover_and_crop(ramp, size)
    assert cut.shape == (1, 3, *size)
    # The ramp's centre stays in the centre, and its slope shrinks with the scale.
    assert cut.float().mean().item() == pytest.approx(127.5, abs=2)
    slope = (cut[0, 0, 0, -1].float() - cut[0, 0, 0, 0].float()).item()
    assert slope == pytest.approx(255 * (size[1] - 1) / covered[1], abs=6)


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
        tmp_path: "Is a directory",
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


def test_a_short_video_is_told_by_its_length(video: Path) -> None:
    with pytest.raises(VideoReadError, match="has 20 frames, fewer than the 21 that are compared"):
        list(iter_clips(video, 21, (32, 32)))
