from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, SamplingDefaults, generation
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_inference_steps": 2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_extension_sets_the_length_until_it_is_unloaded(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path
) -> None:
    def sample() -> torch.Tensor:
        latents: torch.Tensor = pipe(images[0], **SMALL, generator=seeded(), output_type="latent").frames
        return latents

    before = sample()
    assert before.shape[1] == 8
    extension = pipe.load_extension(extension_file)
    assert pipe.extension is extension
    assert sample().shape[1] == 12
    with pytest.raises(ValueError, match="num_frames is 13, but the extension has 12"):
        pipe(images[0], **SMALL, num_frames=13)
    with pytest.raises(ValueError, match="extended already"):
        pipe.load_extension(extension_file)
    pipe.unload_extension()
    assert torch.equal(sample(), before)


def test_what_an_extension_was_trained_at_goes_before_the_bases_own_and_after_the_callers(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, ...]] = []
    real = generation.added_time_ids

    def added_time_ids(*numbers: Any) -> torch.Tensor:
        told.append(numbers[:3])
        return real(*numbers)

    monkeypatch.setattr(generation, "added_time_ids", added_time_ids)
    pipe.sampling_defaults = SamplingDefaults(fps=8, motion_bucket_id=20)
    extension = pipe.load_extension(extension_file)
    assert pipe.sampling_defaults.fps == 8  # the file does not say
    sampling = {"fps": 30.0, "num_inference_steps": 2, "noise_aug_strength": 0.0, "of a later version": [1]}
    extension.training = {"sizes": [[32, 48]], "sampling": sampling}
    latents = pipe(images[0], num_frames=2, output_type="latent").frames
    assert latents.shape[-2:] == (8, 12)
    pipe(images[0], num_frames=2, height=64, width=64, fps=12, output_type="latent")
    pipe.unload_extension()
    pipe(images[0], num_frames=2, num_inference_steps=1, height=16, width=16, output_type="latent")
    assert told == [(30.0, 20, 0.0), (12, 20, 0.0), (8, 20, 0.02)]


def test_a_files_default_that_is_no_number_is_refused(pipe: ExVideoPipeline, extension_file: Path) -> None:
    pipe.load_extension(extension_file).training = {"sampling": {"fps": "fast"}}
    with pytest.raises(ValueError, match="The extension says fps='fast', and it should be a number"):
        _ = pipe.sampling_defaults


def test_an_extension_is_loaded_by_its_id_on_the_hub(
    pipe: ExVideoPipeline, extension_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repo_id: str, filename: str, *, revision: str | None) -> str:
        asked.append((repo_id, filename, revision))
        return str(extension_file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    for revision in (None, "v1"):
        extension = pipe.load_extension("anna/long-clips", revision=revision)
        assert extension.config.num_frames == 12
        pipe.unload_extension()
    assert asked == [("anna/long-clips", "extension.safetensors", revision) for revision in (None, "v1")]


def test_size_defaults_to_the_bases_own_or_else_to_stable_video_diffusions(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {"num_frames": 1, "num_inference_steps": 1, "output_type": "latent"}
    assert pipe.default_size() == (576, 1024)
    monkeypatch.setattr(pipe, "_sampling_defaults", SamplingDefaults(height=64, width=32))
    assert pipe(images[0], **arguments).frames.shape[-2:] == (16, 8)
    assert pipe(images[0], **arguments, height=16).frames.shape[-2:] == (4, 8)


def test_to_moves_every_network(pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path) -> None:
    pipe.load_extension(extension_file)
    assert pipe.to(torch.bfloat16) is pipe
    assert (pipe.dtype, pipe.vae.dtype, pipe.image_encoder.dtype) == (torch.bfloat16,) * 3
    frames = pipe(images[0], **SMALL, num_frames=3, output_type="np").frames
    assert np.isfinite(frames).all()
    assert frames.std() > 0
