import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from exvideo_infer import ExVideoPipeline, SamplingDefaults, generation
from exvideo_infer.encoders import for_vae
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_inference_steps": 2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("num_frames", [8, 11], ids=["base_length", "longer"])
@pytest.mark.parametrize("max_guidance_scale", [1.0, 3.0], ids=["unguided", "guided"])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_equals_the_stock_pipeline(
    pipe: ExVideoPipeline,
    stock: Any,
    images: list[Image.Image],
    batch_size: int,
    max_guidance_scale: float,
    num_frames: int,
) -> None:
    arguments = SMALL | {
        "image": images[:batch_size],
        "num_frames": num_frames,
        "decode_chunk_size": num_frames,
        "max_guidance_scale": max_guidance_scale,
        "fps": 12,
        "motion_bucket_id": 90,
        "noise_aug_strength": 0.1,
        "output_type": "pt",
    }
    ours = pipe(**arguments, generator=seeded()).frames
    theirs = stock(**arguments, generator=seeded()).frames
    assert ours.shape == (batch_size, num_frames, 3, 16, 24)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("output_type", ["pil", "np", "latent"])
def test_every_output_is_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], output_type: str
) -> None:
    arguments = SMALL | {"image": images[0], "num_frames": 3, "output_type": output_type, "decode_chunk_size": 2}
    ours, theirs = (one(**arguments, generator=seeded()).frames for one in (pipe, stock))
    if output_type == "pil":
        assert [frame.size for frame in ours[0]] == [(24, 16)] * 3
        ours, theirs = ([np.asarray(frame) for frame in clips[0]] for clips in (ours, theirs))
    assert type(ours) is type(theirs)
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_equals_the_stock_pipeline_on_given_latents_and_a_generator_a_clip(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image]
) -> None:
    latents = torch.randn(2, 3, 4, 4, 6, generator=seeded(9))
    arguments = SMALL | {"image": images, "num_frames": 3, "latents": latents, "output_type": "latent"}
    ours, theirs = (one(**arguments, generator=[seeded(1), seeded(2)], return_dict=False) for one in (pipe, stock))
    assert torch.equal(ours, theirs)


def test_an_extended_unet_runs_in_the_stock_pipeline(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], extension_file: Path
) -> None:
    arguments = SMALL | {"image": images[0], "num_frames": 12, "output_type": "latent"}
    direct = stock(**arguments, generator=seeded()).frames
    pipe.load_extension(extension_file)
    ours, theirs = (one(**arguments, generator=seeded()).frames for one in (pipe, stock))
    assert torch.equal(ours, theirs)
    assert not torch.allclose(ours, direct)


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


def test_the_seed_decides(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    first, again, other = (
        pipe(images[0], **SMALL, num_frames=2, generator=seeded(seed), output_type="latent").frames
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_a_batch_of_two_is_two_of_one(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    pictures = [images[0], images[1].resize((40, 30))]
    arguments = SMALL | {"num_frames": 3, "decode_chunk_size": 2, "output_type": "pt"}
    both = pipe(pictures, **arguments, generator=[seeded(1), seeded(2)]).frames
    apart = [pipe(one, **arguments, generator=seeded(seed)).frames for seed, one in enumerate(pictures, start=1)]
    torch.testing.assert_close(both, torch.cat(apart), rtol=0, atol=1e-4)


def test_a_tensor_is_the_picture_it_shows(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    picture = images[0].resize((24, 16))
    tensor = for_vae([picture], 16, 24) / 2 + 0.5
    arguments = SMALL | {"num_frames": 2, "output_type": "latent"}
    latents = [pipe(image, **arguments, generator=seeded()).frames for image in (picture, tensor, tensor[0])]
    for other in latents[1:]:
        torch.testing.assert_close(other, latents[0], rtol=0, atol=1e-3)  # other strides, other rounding


def test_size_defaults_to_the_bases_own_or_else_to_stable_video_diffusions(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {"num_frames": 1, "num_inference_steps": 1, "output_type": "latent"}
    assert pipe.default_size() == (576, 1024)
    monkeypatch.setattr(pipe, "_sampling_defaults", SamplingDefaults(height=64, width=32))
    assert pipe(images[0], **arguments).frames.shape[-2:] == (16, 8)
    assert pipe(images[0], **arguments, height=16).frames.shape[-2:] == (4, 8)


def test_the_callback_sees_each_step_and_replaces_the_latents(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    steps = []

    def callback(pipeline: ExVideoPipeline, step: int, timestep: torch.Tensor, tensors: dict[str, Any]) -> Any:
        assert pipeline is pipe
        steps.append((step, float(timestep)))
        return {"latents": torch.full_like(tensors["latents"], 7.0)} if step == 1 else None

    out = pipe(images[0], **SMALL, num_frames=2, output_type="latent", callback_on_step_end=callback).frames
    scheduler = copy.deepcopy(pipe.scheduler)
    scheduler.set_timesteps(2)
    assert steps == list(enumerate(scheduler.timesteps.tolist()))
    assert (out == 7.0).all()


def test_the_progress_bar_counts_the_steps(
    pipe: ExVideoPipeline, images: list[Image.Image], capsys: pytest.CaptureFixture[str]
) -> None:
    pipe.set_progress_bar_config(desc="denoising")
    try:
        pipe(images[0], **SMALL, num_frames=1, output_type="latent")
    finally:
        pipe.set_progress_bar_config(disable=True)
    shown = capsys.readouterr().err
    assert "denoising" in shown
    assert "2/2" in shown


def test_to_moves_every_network(pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path) -> None:
    pipe.load_extension(extension_file)
    assert pipe.to(torch.bfloat16) is pipe
    assert (pipe.dtype, pipe.vae.dtype, pipe.image_encoder.dtype) == (torch.bfloat16,) * 3
    frames = pipe(images[0], **SMALL, num_frames=3, output_type="np").frames
    assert np.isfinite(frames).all()
    assert frames.std() > 0


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ({"num_frames": 0}, "num_frames is 0"),
        ({"height": 20}, "multiples of 8"),
        ({"width": 0}, "multiples of 8"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"decode_chunk_size": 0}, "decode_chunk_size is 0"),
        ({"max_guidance_scale": 0.9}, "guidance scale of 0.9"),
        ({"output_type": "gif"}, "output_type is 'gif'"),
        ({"callback_on_step_end_tensor_inputs": ["noise"]}, "'noise'"),
        ({"generator": [seeded(), seeded()]}, "2 generators were given for 1 clips"),
        ({"latents": torch.zeros(1, 2, 4, 4, 4)}, "latents have shape"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(
    pipe: ExVideoPipeline,
    images: list[Image.Image],
    argument: dict[str, Any],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipe.unet, "forward", lambda *_, **__: pytest.fail("the network ran"))
    with pytest.raises(ValueError, match=complaint) as caught:
        pipe(images[0], **(SMALL | {"num_frames": 2} | argument))
    assert "\n" not in str(caught.value)


def test_a_scheduler_of_another_prediction_is_refused_before_anything_is_encoded(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "scheduler", EulerDiscreteScheduler(timestep_type="continuous"))
    monkeypatch.setattr(pipe.vae, "encode", None)
    with pytest.raises(ValueError, match="prediction_type='epsilon', but Stable Video Diffusion models predict"):
        pipe(images[0], num_frames=2, **SMALL)
