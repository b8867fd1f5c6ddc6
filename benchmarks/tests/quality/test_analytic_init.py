"""Analytic-Init."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import read_safetensors

from benchmarks.quality import analytic_init
from benchmarks.quality.analytic_init import SIGMA_MAX, analytic, moments, start_later
from benchmarks.quality.making import Batch, whole
from tiny_world.world.clip_files import ClipFile


@pytest.fixture(autouse=True)
def few_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytic_init, "CLIPS", 3)


def test_moments_are_those_of_the_clips_latents_and_are_kept(pipe: Any, tmp_path: Path) -> None:
    mean, variance = moments(pipe, 3, tmp_path)
    assert mean.shape == (3, 8, 8, 8)
    assert 0.05 < variance < 5
    (kept,) = tmp_path.iterdir()
    sums = read_safetensors(kept)[0]
    torch.testing.assert_close(mean, sums["sum"] / 3)
    again = moments(None, 3, tmp_path)  # without asking a network
    assert torch.equal(again[0], mean)
    assert again[1] == variance


def test_sampling_starts_at_a_seventh_of_the_highest_level(pipe: Any) -> None:
    pipe.scheduler.set_timesteps(12)
    highest, least = float(pipe.scheduler.sigmas[0]), float(pipe.scheduler.sigmas[-2])
    start_later(pipe)
    pipe.scheduler.set_timesteps(12)
    assert highest == pytest.approx(100)
    assert float(pipe.scheduler.sigmas[0]) == pytest.approx(SIGMA_MAX) == pytest.approx(highest / 7)
    assert float(pipe.scheduler.sigmas[-2]) == pytest.approx(least)


def test_without_moments_it_is_the_same_noise_at_the_lower_level(
    pipe: Any, clips: list[ClipFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytic_init, "moments", lambda *_: (torch.zeros(4, 8, 8, 8), 0.0))
    start_later(pipe)
    batch = Batch(tuple(clips), (1, 2))
    for one, other in zip(analytic(pipe, batch, 4, 2, tmp_path), whole(pipe, batch, 4, 2), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_it_begins_from_the_mean_with_the_variance_of_noised_clips(
    pipe: Any, clips: list[ClipFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, begun = (4, 8, 8, 8), list[torch.Tensor]()
    monkeypatch.setattr(analytic_init, "moments", lambda *_: (torch.full(shape, 50.0), 30.0))

    def begin(*_: Any, latents: torch.Tensor) -> list[Any]:
        begun.append(latents)
        return []

    monkeypatch.setattr(analytic_init, "whole", begin)
    start_later(pipe)
    analytic(pipe, Batch(tuple(clips), (1, 2)), 4, 2, tmp_path)
    level = (SIGMA_MAX**2 + 1) ** 0.5  # what the pipeline multiplies noise by
    latents = begun[0] * level
    assert latents.shape == (2, *shape)
    assert float(latents.mean()) == pytest.approx(50, abs=1)
    assert float(latents.std()) == pytest.approx((level**2 + 30) ** 0.5, rel=0.05)
