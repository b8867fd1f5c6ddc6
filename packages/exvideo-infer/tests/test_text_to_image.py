"""The first frame from words: a base's own networks, seen as an image pipeline sees its own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import BaseModelError
from exvideo_infer.text_to_image import FrameDecoder, States, load_image_parts, load_text_to_image


@pytest.fixture(scope="module")
def parts(text_base_dir: Path) -> dict[str, Any]:
    return load_image_parts(str(text_base_dir), torch.float32, {})


def test_its_network_and_scheduler_are_found(parts: dict[str, Any], tiny_base_dir: Path) -> None:
    assert set(parts) == {"image_unet", "image_scheduler"}
    assert parts["image_unet"].dtype == torch.float32
    assert load_image_parts(str(tiny_base_dir), torch.float32, {}) == {}


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [("text_encoder", "needs a text encoder"), ("text_to_image/scheduler", "no text_to_image/scheduler/: copy")],
)
def test_half_of_a_text_to_image_model_is_named(text_base_dir: Path, tmp_path: Path, lost: str, sentence: str) -> None:
    folder = shutil.copytree(text_base_dir, tmp_path / "base")
    shutil.rmtree(folder / lost)
    with pytest.raises(BaseModelError, match=sentence):
        load_image_parts(str(folder), torch.float32, {})


def test_a_latent_is_a_clip_of_one_frame(fresh: Callable[..., Any], text_base_dir: Path) -> None:
    pipeline = fresh(text_base_dir)
    latents = torch.randn(2, pipeline.vae.config.latent_channels, 4, 4, generator=torch.Generator().manual_seed(0))
    (frames,) = FrameDecoder(pipeline.vae).decode(latents)
    assert frames.shape[:2] == (2, 3)
    for latent, frame in zip(latents, frames, strict=True):
        assert torch.allclose(pipeline.vae.decode(latent[None], num_frames=1).sample[0], frame, atol=1e-5)
    tokens = torch.tensor([[2, 4, 5, 3, 0, 0, 0]])
    states = States(pipeline.text_encoder)(tokens)[0]
    assert torch.equal(states, pipeline.text_encoder(tokens).last_hidden_state)


def test_what_was_recommended_is_taken_where_a_call_is_silent(fresh: Callable[..., Any], text_base_dir: Path) -> None:
    pipeline = fresh(text_base_dir)
    own = pipeline.text_to_image
    steps: list[int] = []

    def count(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return values

    made = own("a red circle", height=64, width=64, callback_on_step_end=count, output_type="np").images
    assert (made.shape, steps) == ((1, 64, 64, 3), [0, 1])  # two, as sampling.json says


def test_another_model_in_its_place_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="nothing"):
        load_text_to_image(tmp_path / "nothing" / "here")
