"""Clips are shown as the cache has them, each beside the frames of its file, spread over all of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import read_clip, write_video
from exvideo_train.clip_sheet import show_clips
from PIL import Image
from torch import Tensor


class Decoder:
    """Latents are colours from 0 to 1: (frames, 3) become flat frames."""

    decoder = torch.nn.Identity()

    def decode(self, latents: Tensor) -> Tensor:
        return latents[:, :, None, None].expand(-1, -1, 32, 32)


@pytest.fixture
def data(tmp_path: Path) -> Any:
    """Five clips of four frames of one file that grows brighter by 10 a frame; the cache has clip n at n / 8."""
    film = tmp_path / "film.mp4"
    write_video(film, (np.full((32, 32, 3), 10 * number, np.uint8) for number in range(20)), fps=8)
    clips = [
        SimpleNamespace(
            path=film, places=range(4 * number, 4 * number + 4), size=(32, 32), fps=8.0, num_frames=4, number=number,
            caption="it grows" if number else "", name_in=lambda folder, number=number: f"film.mp4:{number}",
        )
        for number in range(5)
    ]  # fmt: skip

    def read(clip: Any) -> Any:
        return SimpleNamespace(latents=torch.full((4, 3), clip.number / 8))

    return SimpleNamespace(training=clips, folder=tmp_path, cache=SimpleNamespace(read=read))


def brightness(path: Path) -> list[int]:
    return [round(float(frame.float().mean())) for frame in read_clip(path)]


@pytest.mark.parametrize(("count", "shown"), [(1, [0]), (3, [0, 2, 4]), (9, [0, 1, 2, 3, 4])])
def test_clips_of_the_cache_stand_beside_their_files(tmp_path: Path, data: Any, count: int, shown: list[int]) -> None:
    (tmp_path / "out" / "clips").mkdir(parents=True)
    (tmp_path / "out" / "clips" / "007-cache.mp4").touch()  # of a call before
    sheet = show_clips(data, Decoder(), count, tmp_path / "out", torch.device("cpu"))  # type: ignore[arg-type]
    assert sheet == tmp_path / "out" / "clips.png"
    width, height = Image.open(sheet).size
    assert width > 4 * 32
    assert height > 2 * 32 * len(shown)
    names = {f"{row:03}-{kind}.mp4" for row in range(len(shown)) for kind in ("cache", "file")}
    assert {path.name for path in (tmp_path / "out" / "clips").glob("*")} == names
    for row, number in enumerate(shown):
        seen, source = (brightness(tmp_path / "out" / "clips" / f"{row:03}-{kind}.mp4") for kind in ("cache", "file"))
        assert seen == pytest.approx([number / 8 * 255] * 4, abs=2)
        assert source == pytest.approx([40 * number + 10 * frame for frame in range(4)], abs=2)
