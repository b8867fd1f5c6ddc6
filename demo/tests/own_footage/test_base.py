from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer.encoders import embed_image, encode_clip, encode_first_frame
from exvideo_infer.video_file import read_clip, write_video

from demo.own_footage import base
from tiny_world.small_base import build_components

SMALL: dict[str, Any] = {"unet_channels": (32, 32), "vae_channels": (32, 32, 32), "attention_head_dim": 32}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    write_video(path, frames[np.arange(14) // 4], fps=9)
    return path


@pytest.fixture
def components() -> dict[str, Any]:
    return build_components(**SMALL)


def test_a_patch_is_of_its_own_frame_and_begins_with_a_latent() -> None:
    rows = torch.arange(64.0)[:, None].expand(64, 64)
    frames = torch.stack([torch.full((64, 64), 7.0), rows, rows.T]).expand(2, 3, 64, 64)
    frames = torch.stack([frames[0], frames[1] + 100])
    for number, patch in enumerate(base.patches(frames, np.random.default_rng(0))):
        level, down, across = patch - 100 * number
        assert (level == 7).all()
        assert down[0, 0] % 4 == across[0, 0] % 4 == 0
        assert torch.equal(down[:, 0] - down[0, 0], torch.arange(float(base.PATCH)))


def test_windows_begin_at_every_fourth_frame_under_the_conditions_of_a_sampler(
    clip: Path, components: dict[str, Any]
) -> None:
    windows = base.encode_windows(components, [clip])
    frames = read_clip(clip).float() / 127.5 - 1
    assert windows.latents.shape[:2] == (2, 8)  # of 14 frames
    given = windows.conditions
    for window, start in enumerate((0, 4)):
        shown = frames[start : start + 8]
        latents = encode_clip(components["vae"], shown[None])[0]
        torch.testing.assert_close(windows.latents[window], latents, atol=1e-4, rtol=1e-4)
        first = encode_first_frame(components["vae"], shown[:1])
        assert given.first_frame is not None
        torch.testing.assert_close(given.first_frame[window], first[0], atol=1e-4, rtol=1e-4)
        token = embed_image(components["image_encoder"], components["feature_extractor"], shown[:1])
        torch.testing.assert_close(given.tokens[window], token[0], atol=1e-4, rtol=1e-4)
        assert given.time_ids is not None
        assert given.time_ids[window, [0, 2]].tolist() == [8, 0]


def test_both_networks_are_trained_and_the_vae_stays_one_of_single_frames(
    clip: Path, components: dict[str, Any], tmp_path: Path
) -> None:
    vae_schedule = replace(base.VAE, steps=3, batch_size=4, log_every=1)  # the last step is of whole frames
    base.train_vae(components["vae"], [clip], tmp_path / "vae", vae_schedule)
    base.train_unet(components, [clip], tmp_path / "unet", replace(base.UNET, steps=2, log_every=1))
    for run, steps in (("vae", 3), ("unet", 2)):
        assert len((tmp_path / run / "losses.jsonl").read_text().splitlines()) == steps

    vae = components["vae"]
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = vae.decode(latents, num_frames=2).sample
        apart = torch.cat([vae.decode(latent[None], num_frames=1).sample for latent in latents])
        encoded = encode_clip(vae, read_clip(clip)[None].float() / 127.5 - 1)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-4)
    assert encoded.std() == pytest.approx(1, abs=0.3)
