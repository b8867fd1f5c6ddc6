"""The small base is what diffusers' own pipeline takes, and the same every time."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tiny_world.small_base import build_components, save

SMALL: dict[str, Any] = {"unet_channels": (32, 64), "vae_channels": (32, 32, 32), "cross_attention_dim": 32}
NETWORKS = ("unet", "vae", "image_encoder")


def weights(seed: int) -> torch.Tensor:
    components = build_components(seed, **SMALL)
    return torch.cat([p.flatten() for name in NETWORKS for p in components[name].parameters()]).detach()


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = weights(seed=0)
    torch.manual_seed(2)
    assert torch.equal(first, weights(seed=0))
    assert not torch.equal(first, weights(seed=3))


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    build_components(**SMALL)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("num_frames", [8, 5])
def test_a_saved_base_is_loaded_and_run_by_diffusers_own_pipeline(tmp_path: Path, num_frames: int) -> None:
    from diffusers import StableVideoDiffusionPipeline

    components = build_components(**SMALL, num_frames=num_frames)
    save(components, tmp_path)
    pipeline = StableVideoDiffusionPipeline.from_pretrained(tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    for name in NETWORKS:
        loaded = dict(getattr(pipeline, name).named_parameters())
        assert all(torch.equal(loaded[key], value) for key, value in components[name].named_parameters())
    image = Image.fromarray(np.full((64, 64, 3), 90, np.uint8))
    clip = pipeline(image, height=64, width=64, num_inference_steps=2, output_type="np").frames
    assert clip.shape == (1, num_frames, 64, 64, 3)
    assert np.isfinite(clip).all()


def test_sigmas_are_those_of_stable_video_diffusion() -> None:
    scheduler = build_components(**SMALL)["scheduler"]
    scheduler.set_timesteps(25)
    assert scheduler.sigmas[0].item() == pytest.approx(700, rel=1e-4)
    assert scheduler.sigmas[-2].item() == pytest.approx(0.002, rel=1e-4)
    assert torch.allclose(scheduler.timesteps, 0.25 * scheduler.sigmas[:-1].log(), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"unet_channels": (48, 64)}, "48"),
        ({"vae_channels": (32, 32)}, "(32, 32)"),
        ({"attention_head_dim": 24}, "24"),
    ],
)
def test_widths_that_cannot_work_are_refused_by_value(options: dict, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        build_components(**(SMALL | options))
