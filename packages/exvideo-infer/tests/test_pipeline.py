import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from exvideo_infer import ExVideoPipeline
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
