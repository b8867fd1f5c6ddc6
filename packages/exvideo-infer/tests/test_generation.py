"""One call of the pipeline by its parts: clips of a batch, the noise of each, latents that are given, steps told."""

from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from PIL import Image

SMALL: dict[str, Any] = {"height": 32, "width": 32, "num_frames": 4, "num_inference_steps": 2, "output_type": "latent"}


@pytest.fixture
def image() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((32, 32))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_clip_of_a_batch_is_the_clip_by_itself(pipe: ExVideoPipeline, image: Image.Image) -> None:
    both = pipe([image, image.rotate(180)], **SMALL, generator=[seeded(1), seeded(2)]).frames
    alone = pipe(image.rotate(180), **SMALL, generator=seeded(2)).frames
    assert torch.allclose(both[1], alone[0], atol=1e-3)


def test_latents_that_are_given_are_begun_with(pipe: ExVideoPipeline, image: Image.Image) -> None:
    own = pipe(image, **SMALL, generator=seeded(3)).frames
    channels, scale = pipe.unet.config.out_channels, own.shape[-1]
    latents = torch.randn((1, 4, channels, scale, scale), generator=seeded(4))
    given = pipe(image, **SMALL, latents=latents, generator=seeded(3)).frames
    assert torch.equal(given, pipe(image, **SMALL, latents=latents, generator=seeded(3)).frames)
    assert not torch.allclose(given, own)


def test_a_callback_sees_each_step_and_its_latents_go_on(pipe: ExVideoPipeline, image: Image.Image) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def zeroed(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append((step, tuple(values["latents"].shape)))
        return {"latents": torch.zeros_like(values["latents"])}

    frames = pipe(image, **SMALL, generator=seeded(0), callback_on_step_end=zeroed).frames
    assert [step for step, _ in seen] == [0, 1]
    assert seen[0][1] == tuple(frames.shape)
    assert not frames.any()
