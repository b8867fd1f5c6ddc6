"""NIQE and BRISQUE against their packages' own code, and on pictures that were made worse."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from exvideo_eval.features.packaged.picture_quality import Brisque, Niqe
from exvideo_eval.video_reader import iter_clips
from torch import Tensor
from torch.nn.functional import avg_pool2d


def blurred(clip: Tensor) -> Tensor:
    return avg_pool2d(clip.float(), 5, 1, 2, count_include_pad=False).round().byte()


def noisy(clip: Tensor) -> Tensor:
    noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    return (clip.float() + 20 * noise).round().clamp(0, 255).byte()


@pytest.fixture(scope="module")
def bunny(footage: Path) -> Tensor:
    return next(iter_clips(footage / "bigbuckbunny.mp4", 1, (576, 768)))


@pytest.fixture(scope="module")
def brisque() -> Brisque:
    if find_spec("brisque") is None:
        pytest.skip("brisque 0.2.0 is not installed")
    return Brisque()


def test_niqe_is_that_of_scikit_videos_own_code(footage: Path) -> None:
    frame = next(iter_clips(footage / "bigbuckbunny.mp4", 11))[10:, :, :200, :200]
    assert Niqe()(frame) == pytest.approx(40.0168, abs=0.01)


def test_blur_and_noise_raise_niqe(bunny: Tensor) -> None:
    judge = Niqe()
    assert judge(bunny) + 2 < min(judge(blurred(bunny)), judge(noisy(bunny)))


def test_brisque_is_that_of_its_packages_own_code(brisque: Brisque, footage: Path) -> None:
    bikes = next(iter_clips(footage / "bikes.mp4", 1, (192, 288)))
    assert brisque(bikes) == pytest.approx(51.509, abs=0.1)
    assert brisque(blurred(bikes)) == pytest.approx(71.024, abs=0.1)


def test_blur_and_noise_raise_brisque(brisque: Brisque, bunny: Tensor) -> None:
    assert brisque(bunny) + 10 < min(brisque(blurred(bunny)), brisque(noisy(bunny)))


def test_a_clip_is_the_mean_of_its_frames(brisque: Brisque, footage: Path) -> None:
    clip = next(iter_clips(footage / "bikes.mp4", 3, (64, 96)))
    assert brisque(clip) == pytest.approx(sum(brisque(frame[None]) for frame in clip) / 3)
