"""The small video of a row: every clip's frame t is in the video's frame t, and its size is bounded."""

import io
from collections.abc import Callable

import av
import numpy as np
import pytest
import torch
from exvideo_eval.page.row_video import as_data_uri, side_by_side
from torch import Tensor


def shown(video: bytes) -> np.ndarray:
    with av.open(io.BytesIO(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)


def as_clip(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


@pytest.fixture
def clip(moving_clip: Callable[..., np.ndarray]) -> np.ndarray:
    return moving_clip(0, num_frames=20, size=64)


def test_frames_of_all_clips_stay_together(clip: np.ndarray) -> None:
    video = shown(side_by_side([as_clip(clip), None, as_clip(clip[::-1])], 8, 10**6))
    assert video.shape == (20, 64, 3 * 64 + 2 * 4, 3)
    left, middle, right = video[:, :, :64], video[:, :, 70:130], video[:, :, -64:]
    assert middle.min() > 245  # no clip: white
    for side, frames in ((left, clip), (right, clip[::-1])):
        apart = np.abs(side.mean(axis=-1)[:, None] - frames.mean(axis=-1)[None]).mean(axis=(2, 3))
        assert apart.argmin(axis=1).tolist() == list(range(20))
        assert apart.diagonal().max() < 12


def test_a_clip_that_ends_early_stays_at_its_last_frame(clip: np.ndarray) -> None:
    video = shown(side_by_side([as_clip(clip), as_clip(clip[:5])], 8, 10**6))
    assert np.abs(video[12:, :, -64:] - clip[4]).mean() < 12


def test_large_clips_are_shrunk_to_even_sides() -> None:
    frames = torch.zeros(2, 3, 270, 481, dtype=torch.uint8)
    assert shown(side_by_side([frames], 8, 10**6)).shape == (2, 144, 256, 3)


def test_the_size_of_a_file_is_bounded_even_for_noise() -> None:
    noise = torch.randint(0, 256, (24, 3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    free = side_by_side([noise], 8, 10**9)
    assert len(free) > 200_000
    assert len(side_by_side([noise], 8, 60_000)) <= 60_000


def test_a_rate_is_kept(clip: np.ndarray) -> None:
    with av.open(io.BytesIO(side_by_side([as_clip(clip)], 23.976, 10**6))) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(23.976, abs=1e-3)


def test_a_video_is_its_own_address() -> None:
    assert as_data_uri(b"abc") == "data:video/mp4;base64,YWJj"


def test_a_row_without_a_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="Of 2 places of a row none has a clip"):
        side_by_side([None, None], 8, 10**6)
