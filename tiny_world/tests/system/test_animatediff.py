"""The small AnimateDiff: made of what ships and post-tuned, in minutes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import load_base

from tiny_world.system.animatediff import NUM_FRAMES, build_unet, build_vae, main


def test_its_parts_are_the_embedded_model_s() -> None:
    from diffusers import UNet2DConditionModel

    base: Any = load_base("embedded")
    vae, pixels = build_vae(base.vae), torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mode()
        torch.testing.assert_close(latents, base.vae.encode(pixels).latent_dist.mode())
        image = UNet2DConditionModel.from_pretrained(base.directory / "text_to_image" / "unet", dtype=torch.float32)
        unet = build_unet(image)
        noisy, words = torch.randn(1, 8, NUM_FRAMES, 8, 8), torch.randn(1, 28, 64)
        clip = unet(noisy, torch.tensor(5), words.repeat(NUM_FRAMES, 1, 1)).sample
        frame = image(noisy[:, :, 3], torch.tensor(5), words).sample
    torch.testing.assert_close(clip[:, :, 3], frame, rtol=1e-4, atol=1e-4)  # motion modules start as nothing


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_post_tuned_to_32_frames_it_has_half_of_the_loss_of_the_base_run_directly(tmp_path: Path) -> None:
    assert main(["--output", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["extended"] <= 0.5 * figures["base"]
    assert (tmp_path / "contact_sheet.png").is_file()
